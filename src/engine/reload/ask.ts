import { get } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import type { ServicePlan } from '../../plan/types.ts'

const PAUSE_MS = 5
const PATIENCE_MS = 5_000

/**
 * Asks a service at its address of the front door, as its users do, until it answers; for HTTP its readiness path, else by a connection.
 * Any answer below 500 is the service's own. Throws when aborted, and RELOAD_UNREACHABLE when there is no answer in five seconds.
 */
export async function askService(service: ServicePlan, directUrl: string | undefined, signal: AbortSignal): Promise<void> {
  if (directUrl === undefined) return
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const trouble = await once(service, directUrl, signal)
    if (trouble === undefined) return
    signal.throwIfAborted()
    if (performance.now() > end) throw unreachable(service, directUrl, trouble)
    await delay(PAUSE_MS, undefined, { signal })
  }
}

function unreachable(service: ServicePlan, directUrl: string, trouble: string): ShivError {
  return new ShivError(`${service.name} runs with this edit, but does not answer at ${directUrl}: ${trouble}.`, {
    code: 'RELOAD_UNREACHABLE',
    hint: `shiv status, and then shiv restart ${service.name}`,
  })
}

function once(service: ServicePlan, directUrl: string, signal: AbortSignal): Promise<string | undefined> {
  const isHttp = directUrl.startsWith('http:')
  const port = Number(directUrl.split(':').at(-1))
  return new Promise((resolve) => {
    if (!isHttp) {
      const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 })
      const done = (trouble: string | undefined) => {
        socket.destroy()
        resolve(trouble)
      }
      socket
        .on('connect', () => done(undefined))
        .on('timeout', () => done('no answer'))
        .on('error', ({ message }) => done(message))
      return
    }
    const path = service.health?.readinessPath ?? '/'
    const asking = get(
      { host: '127.0.0.1', port, path, agent: false, signal, timeout: 1_000, headers: { host: `localhost:${port}` } },
      (answer) => {
        answer.resume()
        resolve((answer.statusCode ?? 500) < 500 ? undefined : `it answered ${answer.statusCode}`)
      },
    )
    asking.on('timeout', () => asking.destroy(new Error('no answer')))
    asking.on('error', ({ message }) => resolve(message))
  })
}
