import { execa } from 'execa'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { askRedis } from '../../src/drivers/database/redis-client.ts'
import { withChildren, type Child } from '../support/children.ts'
import { freePort } from '../../test/support/free-port.ts'
import { interleave, type Row } from '../support/measure.ts'
import { startPostgres } from '../support/postgres-server.ts'

const seconds = 2
const rounds = 5
const clients = 8

/** What one round of load was: how many queries were answered, and what the proxy's processor time was for each. */
interface Load {
  perSecond: number
  cpuMicroseconds: number
}

/** Postgres behind the guard against a plain TCP relay, under `pgbench -S`: simple queries, and prepared ones. */
export async function dependencyPostgres(): Promise<Row[]> {
  const server = await startPostgres()
  const { user, password } = server
  const env = { PGUSER: user, PGPASSWORD: password, PGHOST: '127.0.0.1', PGDATABASE: server.database, PGSSLMODE: 'disable' }
  try {
    await execa('pgbench', ['--initialize', '--quiet', '--scale=5', '--port', String(server.port)], { env })
    return await withChildren(async (begin) => {
      const [guard, relay] = [await begin('postgres', server.port, user, password), await begin('relay', server.port)]
      const rows: Row[] = []
      for (const mode of ['simple', 'prepared']) {
        const load = async ({ port }: Child): Promise<number> => {
          const words = ['--select-only', '--no-vacuum', `--protocol=${mode}`, `--client=${clients}`, `--time=${seconds}`]
          const { stdout } = await execa('pgbench', [...words, '--port', String(port)], { env })
          return Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1])
        }
        rows.push(...(await compare(`Postgres, ${mode} queries`, guard, relay, load, 0.7)))
      }
      return rows
    })
  } finally {
    await server.end()
  }
}

/** Redis behind the guard against a plain TCP relay, under `redis-benchmark`, one command at a time and sixteen. */
export async function dependencyRedis(): Promise<Row[]> {
  const port = await freePort()
  const words = ['--port', String(port), '--bind', '127.0.0.1', '--save', '']
  const server = spawn('redis-server', words, { stdio: 'ignore', cwd: tmpdir() })
  try {
    const address = { host: '127.0.0.1', port, password: '' }
    while (
      !(await askRedis(address, ['PING'], AbortSignal.timeout(1_000)).then(
        () => true,
        () => false,
      ))
    ) {
      if (server.exitCode !== null) throw new Error('redis-server ended at once')
    }
    return await withChildren(async (begin) => {
      const [guard, relay] = [await begin('redis', port), await begin('relay', port)]
      const rows: Row[] = []
      for (const depth of [1, 16]) {
        const load = async ({ port }: Child): Promise<number> => {
          const argv = [
            '-p',
            String(port),
            '-c',
            String(clients),
            '-P',
            String(depth),
            '-n',
            String(20_000 * depth),
            '-q',
            '--csv',
          ]
          const { stdout } = await execa('redis-benchmark', [...argv, 'GET', 'key:1'])
          return Number(/^"GET key:1","([\d.]+)"/m.exec(stdout)?.[1])
        }
        rows.push(...(await compare(`Redis, GET, ${depth} at once`, guard, relay, load, 0.5)))
      }
      return rows
    })
  } finally {
    server.kill()
  }
}

async function compare(
  what: string,
  guard: Child,
  relay: Child,
  load: (proxy: Child) => Promise<number>,
  aim: number,
): Promise<Row[]> {
  const cost: Record<'guard' | 'relay', Load[]> = { guard: [], relay: [] }
  const run = async (side: 'guard' | 'relay', proxy: Child): Promise<number> => {
    const before = (await proxy.usage()).cpuMicroseconds
    const began = performance.now()
    const perSecond = await load(proxy)
    const answered = (perSecond * (performance.now() - began)) / 1_000
    cost[side].push({ perSecond, cpuMicroseconds: ((await proxy.usage()).cpuMicroseconds - before) / answered })
    return perSecond
  }
  const { a, b } = await interleave(
    rounds,
    () => run('guard', guard),
    () => run('relay', relay),
  )
  const cpu = (side: 'guard' | 'relay'): number[] => cost[side].slice(-rounds).map(({ cpuMicroseconds }) => cpuMicroseconds)
  return [
    {
      measure: `${what}, answered in a second`,
      unit: 'requests',
      samples: a,
      baseline: { name: 'plain TCP relay', samples: b },
      aim: `≥ ${aim} of the relay`,
      met: ({ ratio = 0 }) => ratio >= aim,
      remark: `${clients} connections; the load, the server and the proxy share the machine's cores`,
    },
    {
      measure: `${what}, the proxy's processor time for each`,
      unit: 'µs',
      samples: cpu('guard'),
      baseline: { name: 'plain TCP relay', samples: cpu('relay') },
      aim: '≤ 2 × the relay',
      met: ({ ratio = Infinity }) => ratio <= 2,
    },
  ]
}
