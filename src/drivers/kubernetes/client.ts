import { setMaxListeners } from 'node:events'
import { Agent, type RequestOptions, request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { ShivError } from '../../core/errors.ts'
import type { Access } from './kubeconfig.ts'

export type Verb = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'

export interface CallOptions {
  body?: unknown
  contentType?: string
  signal?: AbortSignal
}

/** One API server, spoken to over kept-alive connections. */
export interface KubeClient {
  readonly access: Access
  /** Calls and parses the JSON answer. Throws KubeApiError for an answer that is not 2xx, ShivError KUBE_UNREACHABLE when there is none. */
  call<T>(verb: Verb, path: string, options?: CallOptions): Promise<T>
  /** The answer as it comes, on a connection of its own: watches and logs. */
  stream(path: string, signal: AbortSignal): Promise<IncomingMessage>
  close(): void
}

/** What the API server refused, in its own words. */
export class KubeApiError extends Error {
  readonly status: number
  readonly reason: string
  readonly causes: { reason?: string; message?: string; field?: string }[]

  constructor(status: number, body: string, path: string) {
    const parsed = parseStatus(body)
    super(parsed?.message ?? `${path}: ${body.trim().slice(0, 300) || `HTTP ${status}`}`)
    this.name = 'KubeApiError'
    this.status = status
    this.reason = parsed?.reason ?? ''
    this.causes = parsed?.details?.causes ?? []
  }
}

/** True for an error that says: there is no such object. */
export function isMissing(error: unknown): boolean {
  return error instanceof KubeApiError && error.status === 404
}

/** The value, or undefined when there is no such object. */
export async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Where an API server is, and what proves both sides. */
export function secureOptions(access: Access): RequestOptions {
  return {
    host: access.server.hostname.replace(/^\[|\]$/g, ''),
    port: access.server.port || 443,
    ...(access.ca && { ca: access.ca }),
    ...(access.certificate && { cert: access.certificate }),
    ...(access.key && { key: access.key }),
    ...(access.serverName && { servername: access.serverName }),
  }
}

/** Opens nothing until the first call. */
export function createClient(access: Access): KubeClient {
  const secure = secureOptions(access)
  const prefix = access.server.pathname.replace(/\/$/, '')
  const calls = new Agent({ keepAlive: true, maxSockets: 12, maxCachedSessions: 20 })
  const streams = new Agent({ keepAlive: false, maxCachedSessions: 20 })

  const open = (verb: Verb, path: string, agent: Agent, options: CallOptions): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      // One signal ends many calls at once; Node would take that for a leak.
      if (options.signal) setMaxListeners(0, options.signal)
      const body = options.body === undefined ? undefined : JSON.stringify(options.body)
      const outgoing = request({
        ...secure,
        agent,
        method: verb,
        path: prefix + path,
        headers: {
          accept: 'application/json',
          'user-agent': 'shiv',
          ...(access.token && { authorization: `Bearer ${access.token}` }),
          ...(body !== undefined && {
            'content-type': options.contentType ?? 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
        ...(options.signal && { signal: options.signal }),
      })
      outgoing.on('response', resolve)
      outgoing.on('error', (cause) => reject(options.signal?.aborted ? cause : unreachable(access, cause)))
      outgoing.end(body)
    })

  const client: KubeClient = {
    access,
    async call<T>(verb: Verb, path: string, options: CallOptions = {}) {
      const work = async (agent: Agent): Promise<string> => {
        const answer = await open(verb, path, agent, options)
        const body = await readText(answer)
        if (!isSuccess(answer)) throw new KubeApiError(answer.statusCode ?? 0, body, path)
        return body
      }
      return JSON.parse(
        await retryStale(
          verb,
          () => work(calls),
          () => work(streams),
        ),
      ) as T
    },
    async stream(path, signal) {
      const answer = await open('GET', path, streams, { signal })
      if (isSuccess(answer)) return answer
      throw new KubeApiError(answer.statusCode ?? 0, await readText(answer), path)
    },
    close() {
      calls.destroy()
      streams.destroy()
    },
  }
  return client
}

/** Kept connections may have been closed by the server just as we wrote: reads and idempotent writes are sent once more, on a fresh one. */
async function retryStale(verb: Verb, work: () => Promise<string>, afresh: () => Promise<string>): Promise<string> {
  try {
    return await work()
  } catch (error) {
    const cause = error instanceof ShivError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
    if (verb === 'POST' || (cause?.code !== 'ECONNRESET' && cause?.code !== 'EPIPE')) throw error
    return afresh()
  }
}

function isSuccess(answer: IncomingMessage): boolean {
  return answer.statusCode !== undefined && answer.statusCode >= 200 && answer.statusCode < 300
}

async function readText(answer: IncomingMessage): Promise<string> {
  answer.setEncoding('utf8')
  let text = ''
  for await (const part of answer) text += part
  return text
}

function parseStatus(body: string) {
  try {
    return JSON.parse(body) as {
      message?: string
      reason?: string
      details?: { causes?: { reason?: string; message?: string; field?: string }[] }
    }
  } catch {
    // Not every refusal is JSON (the kubelet's are text); the caller then shows the text itself.
    return undefined
  }
}

function unreachable(access: Access, cause: Error): ShivError {
  return new ShivError(`The cluster's API server at ${access.server.host} does not answer: ${cause.message}`, {
    code: 'KUBE_UNREACHABLE',
    hint: 'shiv start brings the cluster back; shiv doctor tells what is wrong with it.',
    exit: 3,
    cause,
  })
}
