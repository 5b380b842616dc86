// A child of `proxy-tcp`: a plain TCP relay, or a dependency behind the guard; it tells its port, and its processor time when asked.
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { openPostgresDependency } from '../../src/drivers/dependency/postgres/open-postgres.ts'
import { openRedisDependency } from '../../src/drivers/dependency/redis/open-redis.ts'
import type { DependencySetting } from '../../src/engine/dependency-ports.ts'

const [role = '', port = '', user = '', password = ''] = process.argv.slice(2)

const guarded = (protocol: 'postgres' | 'redis'): DependencySetting => ({
  name: 'bench',
  protocol,
  mode: 'staging',
  access: { level: 'read_only', allow: [] },
  rules: {},
  upstream: {
    url: new URL(`${protocol}://127.0.0.1:${port}?sslmode=disable`),
    label: 'the bench',
    credentials: async () => ({ user, password }),
  },
})
let told = 0
const onEvent = (): void => void (told += 1)

const roles: Record<string, () => Promise<number>> = {
  async relay() {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const upstream = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
      for (const side of [client, upstream]) side.on('error', () => [client, upstream].forEach((each) => each.destroy()))
      client.pipe(upstream)
      upstream.pipe(client)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  },
  postgres: async () => (await openPostgresDependency(guarded('postgres'), { onEvent })).port,
  redis: async () => (await openRedisDependency(guarded('redis'), { onEvent })).port,
}

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuMicroseconds: user + system, told })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: await roles[role]!() })
