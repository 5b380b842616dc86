import { Agent, request } from 'node:http'

export interface LoadOptions {
  port: number
  perSecond: number
  methods: readonly string[]
  path?: string
}

/** Sends requests at a rate, half over kept connections, half over new ones, until its end; `lost` tells why each did not get the service's own answer. */
export function beginLoad({ port, perSecond, methods, path = '/' }: LoadOptions): {
  end(): Promise<{ sent: number; lost: string[] }>
} {
  const kept = new Agent({ keepAlive: true, maxSockets: 32 })
  const lost: string[] = []
  const inFlight = new Set<Promise<void>>()
  let sent = 0
  let isEnding = false
  const began = performance.now()
  const note = async (method: string, answer: Promise<string | undefined>): Promise<void> => {
    const trouble = await answer
    if (trouble !== undefined) lost.push(`${method}: ${trouble}`)
  }
  const send = (): void => {
    const method = methods[sent % methods.length]!
    const one = note(method, ask({ port, path, method, agent: sent % 2 === 0 ? kept : undefined }))
    sent += 1
    inFlight.add(one)
    void one.then(() => inFlight.delete(one))
  }
  // What the timer is late by is sent at once: the rate is kept.
  const timer = setInterval(() => {
    while (!isEnding && sent < ((performance.now() - began) / 1000) * perSecond) send()
  }, 1000 / perSecond)
  return {
    async end() {
      isEnding = true
      clearInterval(timer)
      await Promise.all(inFlight)
      kept.destroy()
      return { sent, lost }
    },
  }
}

/** Undefined when the service itself answered. */
function ask(asked: { port: number; path: string; method: string; agent: Agent | undefined }): Promise<string | undefined> {
  const { port, path, method, agent = false } = asked
  return new Promise((resolve) => {
    const asking = request({ host: '127.0.0.1', port, method, path, agent, headers: { host: `localhost:${port}` } }, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode === 200 ? undefined : `status ${answer.statusCode}`))
      answer.on('error', ({ message }) => resolve(message))
    })
    asking.on('error', ({ message }) => resolve(message))
    asking.end(method === 'POST' || method === 'PUT' || method === 'PATCH' ? 'a body' : undefined)
  })
}
