import { request } from 'node:http'
import { connect } from 'node:net'
import type { ProbeResult } from './process-spec.ts'

/** Asks an HTTP path of a local port once; 200 to 399 is healthy, as for a Kubernetes probe. */
export function probeHttp(port: number, path: string, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path, agent: false, timeout: timeoutMs, signal }, (response) => {
      response.resume()
      const status = response.statusCode ?? 0
      if (status >= 200 && status < 400) resolve({ ok: true })
      else resolve({ ok: false, reason: `GET ${path} answers ${status}`, hopeless: status === 404 })
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    asked.on('error', (error: NodeJS.ErrnoException) => resolve({ ok: false, reason: describe(error, `port ${port}`) }))
    asked.end()
  })
}

/** Opens a TCP connection to a local port once. */
export function probeTcp(port: number, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, signal })
    const end = (result: ProbeResult) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(timeoutMs, () => end({ ok: false, reason: `port ${port} does not answer within ${timeoutMs} ms` }))
    socket.on('connect', () => end({ ok: true }))
    socket.on('error', (error: NodeJS.ErrnoException) => end({ ok: false, reason: describe(error, `port ${port}`) }))
  })
}

function describe(error: NodeJS.ErrnoException, where: string): string {
  if (error.code === 'ECONNREFUSED') return `nothing listens on ${where}`
  return `${where}: ${error.message}`
}
