import { createServer } from 'node:net'
import { ShivError } from '../../core/errors.ts'
import { type Listener, type MakeServer, listenOnLoopback } from '../proxy/listen.ts'

/** Ports that the system gives to outgoing connections now and then: one that is free on both addresses is found within a few. */
const TRIES = 20

/** Listens on loopback: at `wanted` if that is free, else at a port that the system picks. Throws PORTS_TAKEN. */
export async function listenSomewhere(wanted: number | undefined, make: MakeServer): Promise<Listener> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = tries === 0 && wanted !== undefined && wanted !== 0 ? wanted : await pickPort()
    const listener = await listenOnLoopback(port, make)
    if (listener !== undefined) return listener
  }
  throw new ShivError('No port of this machine is free on both loopback addresses.', {
    code: 'PORTS_TAKEN',
    exit: 3,
    hint: 'shiv doctor shows who has them; shiv stop in workspaces you no longer need gives some back',
  })
}

function pickPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
