import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import type { HealthProof } from '../../engine/deploy/release.ts'
import type { ServicePlan } from '../../plan/types.ts'
import { createTunnel, type Tunnel } from '../dependency/tunnel.ts'
import type { UserCluster } from './client.ts'

/** One way to ask a service whether it is well. */
interface Door {
  through: HealthProof['through']
  url?: string
  /** Undefined when it answers well, else what happened instead. */
  ask(signal: AbortSignal): Promise<string | undefined>
  close(): void
}

export interface ProofOptions {
  steadyMs: number
  patienceMs: number
  signal: AbortSignal
  answered(): void
  /** What its pods say besides; undefined when they are well. */
  trouble(): string | undefined
}

const ANSWER_MS = 5_000
const PAUSE_MS = 50
/** Where answers are slow, a short time holds too few to tell anything. */
const FEWEST_ANSWERS = 5
const MOST_REDIRECTS = 3
/** Of a public address that sends to another host. */
const SENT_AWAY = 'it redirects to another host'

/**
 * Asks by the public address, where there is none by the Service through the API server, until every answer of `steadyMs` was good, and at least five in a
 * row (a `steadyMs` of zero: one). Throws
 * DEPLOY_UNHEALTHY when none was within `patienceMs`, DEPLOY_HEALTH_FLAPS when they came and went.
 */
export async function proveHealth(
  service: ServicePlan,
  cluster: UserCluster,
  namespace: string,
  options: ProofOptions,
): Promise<HealthProof> {
  const door = doorOf(service, cluster, namespace)
  const began = performance.now()
  let answers = 0
  let misses = 0
  let goodSince: number | undefined
  let inARow = 0
  const wanted = options.steadyMs === 0 ? 1 : FEWEST_ANSWERS
  let last = ''
  try {
    for (;;) {
      options.signal.throwIfAborted()
      const deadline = AbortSignal.any([options.signal, AbortSignal.timeout(ANSWER_MS)])
      const trouble = options.trouble() ?? (await door.ask(deadline))
      options.signal.throwIfAborted()
      const now = performance.now()
      if (trouble === undefined) {
        if (answers === 0) options.answered()
        answers += 1
        inARow += 1
        goodSince ??= now
        if (inARow >= wanted && now - goodSince >= options.steadyMs) break
      } else {
        if (answers > 0) misses += 1
        goodSince = undefined
        inARow = 0
        last = trouble.replace(/\.+$/, '')
      }
      if (now - began > options.patienceMs + options.steadyMs) throw unhealthy(service.name, door, { answers, misses, last })
      await delay(Math.min(PAUSE_MS, Math.max(1, options.steadyMs)), undefined, { signal: options.signal })
    }
    return { through: door.through, ...(door.url !== undefined && { url: door.url }), answers, misses }
  } finally {
    door.close()
  }
}

function doorOf(service: ServicePlan, cluster: UserCluster, namespace: string): Door {
  const { health, publicUrl } = service
  const inner = innerDoor(service, cluster, namespace)
  if (publicUrl === undefined || health === undefined) return inner
  const url = new URL(publicUrl.replace(/\/+$/, '') + health.readinessPath)
  const ask = async (signal: AbortSignal): Promise<string | undefined> => {
    const answer = await askUrl(url, signal)
    // Who stands in front, a login for one, has answered for itself: the service is asked behind it.
    return answer === SENT_AWAY ? inner.ask(signal) : answer
  }
  return { through: 'route', url: url.href, ask, close: inner.close }
}

/** By the Service, through the API server. */
function innerDoor({ name, health, ports }: ServicePlan, cluster: UserCluster, namespace: string): Door {
  const port = ports.find((one) => one.name === health?.port) ?? ports[0]
  if (port === undefined) return { through: 'rollout', ask: async () => undefined, close() {} }
  // The tunnel's cluster is closed by whoever opened it.
  const tunnel = createTunnel({
    cluster: { ...cluster.access, close() {} },
    namespace,
    service: name,
    port: String(port.port),
  })
  const path = port.protocol === 'http' ? health?.readinessPath : undefined
  const url = `${name}.${namespace}:${port.port}${path ?? ''}`
  return {
    through: 'cluster',
    url,
    ask: (signal) => askTunnel(tunnel, `${name}.${namespace}`, path, signal),
    close: () => tunnel.close(),
  }
}

/** Follows an ingress to https, and stays on the host. */
async function askUrl(url: URL, signal: AbortSignal, redirects = 0): Promise<string | undefined> {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  let location: string | undefined
  const answer = await ask(
    (options) => send(url, options),
    signal,
    (to) => (location = to),
  )
  if (location === undefined) return answer
  const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined
  if (next === undefined || next.hostname !== url.hostname || !/^https?:$/.test(next.protocol)) return SENT_AWAY
  return redirects < MOST_REDIRECTS ? askUrl(next, signal, redirects + 1) : `it redirects more than ${MOST_REDIRECTS} times`
}

async function askTunnel(
  tunnel: Tunnel,
  host: string,
  path: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const stream = await tunnel.connect(signal)
    if (path === undefined) {
      stream.destroy()
      return undefined
    }
    return await ask((options) => httpRequest({ ...options, host, path, createConnection: () => stream as never }), signal)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Never rejects: whatever goes wrong is the answer. */
function ask(
  send: (options: RequestOptions) => ReturnType<typeof httpRequest>,
  signal: AbortSignal,
  redirected: (location: string) => void = () => {},
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asking = send({ method: 'GET', signal, headers: { 'user-agent': 'shiv', connection: 'close' } })
    asking.once('response', (answer) => {
      answer.resume()
      const status = answer.statusCode ?? 0
      if (status >= 300 && status < 400 && answer.headers.location !== undefined) redirected(answer.headers.location)
      answer.once('close', () => resolve(status >= 200 && status < 400 ? undefined : `it answered ${status}`))
    })
    asking.once('error', (error: NodeJS.ErrnoException) => {
      resolve(signal.aborted ? `it did not answer within ${ANSWER_MS / 1_000} s` : error.message || (error.code ?? 'no answer'))
    })
    asking.end()
  })
}

function unhealthy(name: string, { through, url }: Door, seen: { answers: number; misses: number; last: string }): ShivError {
  const where =
    through === 'route' ? `at its public address ${url}` : through === 'cluster' ? `through its Service (${url})` : 'by its pods'
  if (seen.answers === 0) {
    return new ShivError(`${name} rolled out, but is not well ${where}: ${seen.last}.`, {
      code: 'DEPLOY_UNHEALTHY',
      hint:
        through === 'route'
          ? `curl -v ${url} shows the same; DNS, certificate and ingress controller of the environment are between it and the pods`
          : 'its logs say why: shiv logs with the same --env',
      evidence: [seen.last],
    })
  }
  const counts = `${seen.answers} good answers and ${seen.misses} bad ones`
  return new ShivError(`The health of ${name} ${where} comes and goes: ${counts}, the last bad one: ${seen.last}.`, {
    code: 'DEPLOY_HEALTH_FLAPS',
    hint: 'its logs say why: shiv logs with the same --env; rollout.steady in shiv.yaml is how long it must hold',
    evidence: [seen.last],
  })
}
