import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type RequestListener,
} from 'node:http'
import { connect, createServer as createNetServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { openHttpDependency, type HttpDependencyOptions } from '../../../../src/drivers/dependency/http/open.ts'
import type { ReadToken } from '../../../../src/drivers/dependency/http/bearer.ts'
import { askForToken } from '../../../../src/drivers/dependency/tokens.ts'
import type { DependencyEvent, DependencySetting, OpenDependency, Upstream } from '../../../../src/engine/dependency-ports.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** Runs after the test, the last one first. */
export function cleanUp(work: () => unknown): void {
  cleanups.push(work)
}

/** For the files of one test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-http-'))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface Opened {
  dependency: OpenDependency
  port: number
  events: DependencyEvent[]
  setting: DependencySetting
  /** Switches live, by what differs from the setting it began with. */
  set(changes: Partial<DependencySetting>): void
}

/** Tokens as the daemon asks for them, for a caller with this environment. */
export function tokensOf(environment: NodeJS.ProcessEnv): ReadToken {
  return (source, signal) => askForToken(source, { folder: tmpdir(), environment }, signal)
}

/** A dependency named `billing`, read-write unless said otherwise. */
export async function open(
  upstream: number | Partial<Upstream> | undefined,
  changes: Partial<DependencySetting> = {},
  options: Partial<HttpDependencyOptions> = {},
): Promise<Opened> {
  const setting: DependencySetting = {
    name: 'billing',
    protocol: 'http',
    mode: 'staging',
    access: { level: 'read_write', allow: [] },
    rules: {},
    ...(upstream !== undefined && { upstream: upstreamOf(upstream) }),
    ...changes,
  }
  const events: DependencyEvent[] = []
  const dependency = await openHttpDependency(setting, {
    readToken: tokensOf(process.env),
    ...options,
    onEvent: (event) => events.push(event),
  })
  cleanUp(() => dependency.close())
  return {
    dependency,
    port: dependency.port,
    events,
    setting,
    set: (more) => dependency.set({ ...setting, ...more }),
  }
}

export function upstreamOf(upstream: number | Partial<Upstream>): Upstream {
  const label = 'staging (billing)'
  if (typeof upstream === 'number') return { url: new URL(`http://127.0.0.1:${upstream}`), label }
  return { url: new URL('http://127.0.0.1:1'), label, ...upstream }
}

/** A server of Node's own as the upstream; its port. */
export async function httpUpstream(listener: RequestListener): Promise<number> {
  const server = createHttpServer({ keepAliveTimeout: 60_000, maxHeaderSize: 1_000_000 }, listener)
  cleanUp(() => {
    server.closeAllConnections()
    server.close()
  })
  return listen(server)
}

/** An upstream that speaks bytes; its port. */
export async function rawUpstream(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createNetServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  cleanUp(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return listen(server)
}

/** Answers each request head on a raw connection with `answer`. */
export function answering(answer: string | ((socket: Socket) => void)): (socket: Socket) => void {
  return (socket) => {
    let seen = ''
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1')
      for (let end = seen.indexOf('\r\n\r\n'); end !== -1; end = seen.indexOf('\r\n\r\n')) {
        seen = seen.slice(end + 4)
        if (typeof answer === 'string') socket.write(answer, 'latin1')
        else answer(socket)
      }
    })
  }
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, resolve))
  return (server.address() as AddressInfo).port
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  rawHeaders: string[]
  trailers: Record<string, string | undefined>
  body: string
  json: any
}

export interface Question {
  method?: string
  path?: string
  headers?: Record<string, string | string[]> | string[]
  body?: string
  host?: string
  agent?: import('node:http').Agent
}

/** Asks the dependency as a service would, with Node's own client. */
export function ask(
  port: number,
  { method, path = '/', headers = {}, body, host = '127.0.0.1', agent }: Question = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host,
        port,
        path,
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        headers: headers as Record<string, string>,
        agent: agent ?? false,
        maxHeaderSize: 1_000_000,
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const isJson = response.headers['content-type']?.includes('json')
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            trailers: response.trailers,
            body: text,
            json: isJson && text !== '' ? JSON.parse(text) : undefined,
          })
        })
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

/** Writes bytes to the dependency and gives what it says until it closes, or until `isEnough`. */
export function raw(port: number, bytes: string | Buffer, isEnough: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    cleanUp(() => socket.destroy())
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (!isEnough(text)) return
      socket.destroy()
      resolve(text)
    })
    socket.on('close', () => resolve(text))
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve(text) : reject(error)))
  })
}

/** Polls until `read` gives something else than undefined or false. */
export async function until<T>(read: () => T | undefined | false, what: string): Promise<T> {
  for (let tries = 0; tries < 10_000; tries += 1) {
    const value = read()
    if (value !== undefined && value !== false) return value
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`waited in vain for ${what}`)
}
