import { request } from 'node:http'
import type { Upstream } from '../../../engine/dependency-ports.ts'
import { dial } from './dial.ts'
import { secure } from './secure.ts'

/** Asks an HTTP upstream for the head of its root, on a connection of its own. Any answer is a proof; rejects when there is none. */
export async function probeHttp(upstream: Upstream, dialMs: number, signal: AbortSignal): Promise<void> {
  const isSecure = upstream.url.protocol === 'https:'
  const fresh = await dial(upstream, isSecure ? 443 : 80, dialMs, signal)
  try {
    const socket = isSecure ? await secure(fresh, upstream, 'name', signal) : fresh
    await new Promise<void>((resolve, reject) => {
      const asked = request({
        createConnection: () => socket,
        method: 'HEAD',
        path: upstream.url.pathname,
        headers: { host: upstream.url.host, 'user-agent': 'shiv', connection: 'close' },
        signal,
      })
      asked.once('response', (answer) => {
        answer.resume()
        resolve()
      })
      asked.once('error', reject)
      asked.end()
    })
  } finally {
    fresh.destroy()
  }
}
