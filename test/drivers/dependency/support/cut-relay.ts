import { connect, createServer, type Server, type Socket } from 'node:net'

/** A way to a server that a test can take away and give back. */
export interface CutRelay {
  port: number
  /** How many connections were tried since it was made. */
  attempts: number
  /** `refuse`: nobody listens, and open connections are reset. `swallow`: everything stays open, and nothing passes or is answered. */
  cut(how: 'refuse' | 'swallow'): Promise<void>
  heal(): Promise<void>
  close(): Promise<void>
}

export async function createCutRelay(target: { host: string; port: number }): Promise<CutRelay> {
  const pairs = new Set<[Socket, Socket]>()
  let isSwallowing = false
  let server: Server | undefined
  const relay: CutRelay = {
    port: 0,
    attempts: 0,
    async cut(how) {
      if (how === 'swallow') {
        isSwallowing = true
        for (const pair of pairs) silence(pair)
        return
      }
      await stop()
    },
    async heal() {
      // What was swallowed is lost, as on a network whose connections timed out meanwhile.
      if (isSwallowing) for (const pair of pairs) end(pair)
      isSwallowing = false
      if (server === undefined) await listen()
    },
    close: () => stop(),
  }
  const silence = ([client, upstream]: [Socket, Socket]): void => {
    client.unpipe(upstream).pause()
    upstream.unpipe(client).pause()
  }
  const end = ([client, upstream]: [Socket, Socket]): void => {
    client.resetAndDestroy()
    upstream.destroy()
  }
  const stop = async (): Promise<void> => {
    const old = server
    server = undefined
    const closed = new Promise<void>((resolve) => (old ? old.close(() => resolve()) : resolve()))
    for (const pair of pairs) end(pair)
    await closed
  }
  const listen = (): Promise<void> =>
    new Promise((resolve, reject) => {
      server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
        relay.attempts += 1
        const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true })
        const pair: [Socket, Socket] = [client, upstream]
        pairs.add(pair)
        for (const side of pair) {
          side.on('error', () => end(pair))
          side.once('close', () => {
            pairs.delete(pair)
            end(pair)
          })
        }
        client.pipe(upstream)
        upstream.pipe(client)
        if (isSwallowing) silence(pair)
      })
      server.once('error', reject)
      server.listen(relay.port, '127.0.0.1', () => {
        relay.port = (server!.address() as { port: number }).port
        resolve()
      })
    })
  await listen()
  return relay
}
