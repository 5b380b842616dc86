import type { Server } from 'node:net'

/** What makes a listener for one address; a port needs one on each loopback address. */
export type MakeServer = () => Server

/** Connections that come while the daemon is kept from its work wait; the system may allow fewer. */
const BACKLOG = 4_096

export interface Listener {
  port: number
  servers: Server[]
  /** Stops listening; connections are the business of who made the servers. */
  close(): Promise<void>
}

/** Listens on 127.0.0.1 and, where the machine has it, ::1; undefined when the port is taken on either. */
export async function listenOnLoopback(port: number, make: MakeServer): Promise<Listener | undefined> {
  const servers: Server[] = []
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))))
  }
  for (const host of ['127.0.0.1', '::1']) {
    const server = make()
    const result = await listen(server, host, port)
    if (result === 'listening') servers.push(server)
    if (result === 'taken') {
      await close()
      return undefined
    }
  }
  return { port, servers, close }
}

function listen(server: Server, host: string, port: number): Promise<'listening' | 'taken' | 'no such address'> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve('taken')
      else if (host === '::1' && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')) resolve('no such address')
      else reject(error)
    }
    server.once('error', onError)
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.removeListener('error', onError)
      resolve('listening')
    })
  })
}
