import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Probe } from '../../engine/ports.ts'
import { kindMissing } from '../kind/create.ts'

const run = promisify(execFile)
const TIMEOUT_MS = 4500
const START_DOCKER = process.platform === 'darwin' ? 'open -a Docker' : 'sudo systemctl start docker'

/** Whether Docker answers and `kind` is there, for a caller with this environment. Never throws. */
export async function probeMachine(environment: NodeJS.ProcessEnv = process.env): Promise<Probe> {
  const [docker, kind] = await Promise.allSettled([
    run('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: TIMEOUT_MS, env: environment }),
    run('kind', ['version', '--quiet'], { timeout: TIMEOUT_MS, env: environment }),
  ])
  if (docker.status === 'rejected') return dockerMissing(docker.reason as NodeJS.ErrnoException, environment)
  if (kind.status === 'rejected') {
    const { code, message, hint } = kindMissing(kind.reason)
    return { available: false, code, reason: message, hint: hint ?? '' }
  }
  return { available: true, detail: `Docker ${docker.value.stdout.trim()}, kind ${kind.value.stdout.trim()}` }
}

function dockerMissing(error: NodeJS.ErrnoException, environment: NodeJS.ProcessEnv): Probe {
  if (error.code === 'ENOENT') {
    return {
      available: false,
      code: 'DOCKER_MISSING',
      reason: 'Docker is not installed.',
      hint: 'install Docker: https://docs.docker.com/get-docker/',
    }
  }
  const host = environment['DOCKER_HOST']
  return {
    available: false,
    code: 'DOCKER_NOT_RUNNING',
    reason: `Docker is installed, but its engine does not answer${host ? ` at ${host}, where DOCKER_HOST points` : ''}.`,
    hint: host ? 'unset DOCKER_HOST' : START_DOCKER,
  }
}
