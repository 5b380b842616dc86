import type { RemoteEntry } from './dependency-schema.ts'
import { parseDuration } from './duration.ts'
import type { Environment } from './model.ts'
import { parseQuantity } from './quantity.ts'
import type { AuthSource, Faults, HeaderRules, HttpRules, RemoteTarget } from './remote.ts'
import { wordsOf } from './words.ts'

type WrittenAuth = NonNullable<RemoteEntry['auth']>

/** Where a checked `auth` takes its token from. */
export function authSource({ bearer }: WrittenAuth): AuthSource {
  if (typeof bearer === 'string') throw new Error('a token in service.yaml was not refused')
  if (bearer.command !== undefined) return { bearer: { command: wordsOf(bearer.command) } }
  if (bearer.env !== undefined) return { bearer: { env: bearer.env } }
  return { bearer: { kubeContext: bearer.kube_context! } }
}

/** The rules of a dependency in the words of the Plan; where it says nothing of `auth`, that of its environment. */
export function resolveRules(entry: RemoteEntry, environments: Record<string, Environment>, target: RemoteTarget): HttpRules {
  const { headers, timeouts, retries, breaker, rewrite, host, forwarded } = entry
  const auth = entry.auth === undefined ? environmentAuth(environments, target) : authSource(entry.auth)
  return {
    ...(headers?.request !== undefined && { request: headerRules(headers.request) }),
    ...(headers?.response !== undefined && { response: headerRules(headers.response) }),
    ...(auth !== undefined && { auth }),
    ...(rewrite !== undefined && { rewrite }),
    ...(host !== undefined && { host: host === 'upstream' || host === 'local' ? host : { name: host } }),
    ...(forwarded !== undefined && { forwarded }),
    ...(timeouts !== undefined && { timeouts: resolveTimeouts(timeouts) }),
    ...(retries !== undefined && { retries: { attempts: retries.attempts, budget: partOf(retries.budget ?? 0.2) } }),
    ...(breaker !== undefined && { breaker: { failures: breaker.failures, coolMs: milliseconds(breaker.cool) } }),
  }
}

export function resolveFaults(written: NonNullable<RemoteEntry['faults']>): Faults {
  const { latency, error_rate: errors, error_status: status, cut_rate: cuts, bytes_per_second: bytes } = written
  return {
    ...(latency !== undefined && { latency: { p50: milliseconds(latency.p50), p99: milliseconds(latency.p99) } }),
    ...(errors !== undefined && { errorRate: partOf(errors) }),
    ...(status !== undefined && { errorStatus: status }),
    ...(cuts !== undefined && { cutRate: partOf(cuts) }),
    ...(bytes !== undefined && { bytesPerSecond: parseQuantity(String(bytes))! }),
  }
}

/** An environment's token goes only to what is the environment's for sure: its cluster, and its own domain over TLS. */
function environmentAuth(environments: Record<string, Environment>, target: RemoteTarget): AuthSource | undefined {
  if (target.environment === undefined || target.kind === 'database') return undefined
  const environment = environments[target.environment]
  if (environment?.auth === undefined || target.kind === 'service') return environment?.auth
  const { protocol, hostname } = new URL(target.url)
  return protocol === 'https:' && isUnder(hostname, environment.domain) ? environment.auth : undefined
}

/** Whether a host is a domain or below it. */
export function isUnder(host: string, domain: string | undefined): boolean {
  if (domain === undefined) return false
  const [name, parent] = [host, domain].map((text) => text.toLowerCase().replace(/\.$/, ''))
  return name === parent || name!.endsWith(`.${parent}`)
}

function headerRules({ set, remove }: { set?: Record<string, unknown> | undefined; remove?: string[] | undefined }): HeaderRules {
  return {
    ...(set !== undefined && { set: Object.fromEntries(Object.entries(set).map(([name, value]) => [name, String(value)])) }),
    ...(remove !== undefined && { remove }),
  }
}

function resolveTimeouts({
  connect,
  headers,
  idle,
  total,
}: NonNullable<RemoteEntry['timeouts']>): NonNullable<HttpRules['timeouts']> {
  return {
    ...(connect !== undefined && { connectMs: milliseconds(connect) }),
    ...(headers !== undefined && { headersMs: milliseconds(headers) }),
    ...(idle !== undefined && { idleMs: milliseconds(idle) }),
    ...(total !== undefined && { totalMs: milliseconds(total) }),
  }
}

function milliseconds(duration: string): number {
  return parseDuration(duration)!
}

/** 0.05 of `5%`. */
function partOf(rate: number | string): number {
  return typeof rate === 'number' ? rate : Number(rate.slice(0, -1)) / 100
}
