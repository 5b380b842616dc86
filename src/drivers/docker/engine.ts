import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { ShivError } from '../../core/errors.ts'
import { findEngineAddress, type EngineAddress } from './address.ts'

/** The engine answered with an error status. */
export class EngineError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'EngineError'
    this.status = status
  }
}

export interface EngineRequest {
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
  /** For the first byte of the answer; no limit when absent. */
  timeoutMs?: number
}

/** A Docker engine, spoken to over its own HTTP API: a CLI process costs 50 ms a call, this costs 2. */
export interface Engine {
  readonly address: EngineAddress
  /** Throws EngineError for a status of 400 or more, DOCKER_UNAVAILABLE when nobody answers. */
  stream(method: string, path: string, options?: EngineRequest): Promise<IncomingMessage>
  /** As `stream`, the answer parsed; undefined for an empty answer. */
  json<T>(method: string, path: string, options?: EngineRequest): Promise<T>
}

const agents = new Map<string, Agent>()

/** The engine that the user's `docker` would talk to; connects at the first request. */
export async function connectEngine(environment: NodeJS.ProcessEnv): Promise<Engine> {
  const address = await findEngineAddress(environment)
  const key = JSON.stringify(address)
  const agent = agents.get(key) ?? new Agent({ keepAlive: true, maxFreeSockets: 4, timeout: 0 })
  agents.set(key, agent)
  const stream: Engine['stream'] = (method, path, options = {}) => send(address, agent, method, path, options)
  return {
    address,
    stream,
    async json<T>(method: string, path: string, options?: EngineRequest) {
      const text = await readText(await stream(method, path, options))
      return (text.trim() === '' ? undefined : JSON.parse(text)) as T
    },
  }
}

/** The engine's answer, or undefined where it says that there is no such thing. */
export async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof EngineError && error.status === 404) return undefined
    throw error
  }
}

/** The whole body as text. */
export async function readText(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** Docker is not there or does not answer; says how to start it on this system. */
export function dockerUnavailable(cause: unknown): ShivError {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'EACCES' || code === 'EPERM') {
    return new ShivError('Docker is running, but this user may not talk to it.', {
      code: 'DOCKER_UNAVAILABLE',
      exit: 3,
      hint: 'sudo usermod -aG docker "$USER" && newgrp docker',
      cause,
    })
  }
  const hint =
    process.platform === 'darwin'
      ? 'open -a Docker (or: colima start), then run the command again'
      : process.platform === 'win32'
        ? 'start Docker Desktop, then run the command again'
        : 'sudo systemctl start docker (or, where there is no systemd: sudo service docker start)'
  return new ShivError('Docker is not running.', { code: 'DOCKER_UNAVAILABLE', exit: 3, hint, cause })
}

function send(
  address: EngineAddress,
  agent: Agent,
  method: string,
  path: string,
  options: EngineRequest,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body)
    const headers = {
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
      ...options.headers,
    }
    const request = httpRequest({ ...address, method, path, agent, headers, signal: options.signal })
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => request.destroy(new Error(`no answer within ${options.timeoutMs} ms`)), options.timeoutMs)
    request.on('error', (error) => {
      clearTimeout(timer)
      reject(options.signal?.aborted ? options.signal.reason : dockerUnavailable(error))
    })
    request.on('response', (response) => {
      clearTimeout(timer)
      if ((response.statusCode ?? 500) < 400) return resolve(response)
      readText(response).then((text) => reject(new EngineError(response.statusCode ?? 500, messageOf(text))), reject)
    })
    request.end(body)
  })
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text
  } catch {
    return text // the engine's proxy answers in plain text
  }
}
