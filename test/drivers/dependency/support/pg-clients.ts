import pg from 'pg'
import type { Opened } from './setting.ts'

/** Clients of dependencies, as a service would be one; `end` ends all that are there. */
export function createPgClients() {
  const clients: pg.Client[] = []
  const make = ({ dependency }: Opened, more: pg.ClientConfig = {}): pg.Client => {
    const client = new pg.Client({ host: '127.0.0.1', port: dependency.port, user: 'service', password: 'whatever', ...more })
    client.on('error', () => undefined)
    clients.push(client)
    return client
  }
  return {
    /** One that is not connected yet. */
    make,
    async connect(one: Opened, more?: pg.ClientConfig): Promise<pg.Client> {
      const client = make(one, more)
      await client.connect()
      return client
    },
    async end(): Promise<void> {
      await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)))
    },
  }
}
