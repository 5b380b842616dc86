import type { Model, Rollout, Service } from '../spec/model.ts'
import { expandTemplate } from './template.ts'

/** Pods of large images are given their time; health is asked some five times in a quarter of a second. */
const DEFAULT: Rollout = { strategy: 'rolling', timeoutMs: 600_000, steadyMs: 250 }

/** How a release replaces the one before in the model's environment. */
export function rolloutOf({ environment }: Model): Rollout {
  return { ...DEFAULT, ...environment.rollout }
}

/** Where everybody reaches a service's first http port: as the environment writes it, else under its domain. */
export function publicUrlOf(service: Service, { environment }: Model): string | undefined {
  if (!service.ports.some(({ protocol }) => protocol === 'http')) return undefined
  const { publicUrl, domain } = environment
  if (publicUrl !== undefined) return expandTemplate(publicUrl, { service: service.name }).replace(/\/+$/, '')
  return domain === undefined ? undefined : `https://${service.name}.${domain}`
}
