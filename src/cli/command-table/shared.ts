import type { Flag } from '../command.ts'

export const ENVIRONMENT: Flag = {
  kind: 'text',
  placeholder: 'NAME',
  about: 'environment of service.yaml and shiv.yaml (default: local)',
}
export const RUNTIME: Flag = {
  kind: 'text',
  choices: ['kind', 'process'],
  about: 'where it runs (default: kind when Docker answers, else process)',
}
export const SECRETS: Flag = { kind: 'switch', about: 'print passwords in database URLs instead of ***' }
export const ANY = { min: 0, max: Number.POSITIVE_INFINITY }
export const WHICH = 'A SERVICE is a service of the workspace here, or the path of one. Without any, all services are meant.'
