import { build } from 'esbuild'
import { execa } from 'execa'
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { askRedis } from '../src/drivers/database/redis-client.ts'
import { freePort } from './support/free-port.ts'
import { interleave, type Row } from './support/measure.ts'
import { startPostgres } from './support/postgres-server.ts'

const seconds = 2
const rounds = 5
const clients = 8

/** One proxy in a process of its own. */
interface Proxy {
  child: ChildProcess
  port: number
}

/** What one round of load was: how many queries were answered, and what the proxy's processor time was for each. */
interface Load {
  perSecond: number
  cpuMicroseconds: number
}

/** Postgres behind the guard against a plain TCP relay, under `pgbench -S`: simple queries, and prepared ones. */
export async function measurePostgres(): Promise<Row[]> {
  const server = await startPostgres()
  const { user, password } = server
  const env = { PGUSER: user, PGPASSWORD: password, PGHOST: '127.0.0.1', PGDATABASE: server.database, PGSSLMODE: 'disable' }
  try {
    await execa('pgbench', ['--initialize', '--quiet', '--scale=5', '--port', String(server.port)], { env })
    return await withProxies(['postgres', String(server.port), user, password], async (guard, relay) => {
      const rows: Row[] = []
      for (const mode of ['simple', 'prepared']) {
        const load = async ({ port }: Proxy): Promise<number> => {
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
export async function measureRedis(): Promise<Row[]> {
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
    return await withProxies(['redis', String(port)], async (guard, relay) => {
      const rows: Row[] = []
      for (const depth of [1, 16]) {
        const load = async ({ port }: Proxy): Promise<number> => {
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
  guard: Proxy,
  relay: Proxy,
  load: (proxy: Proxy) => Promise<number>,
  aim: number,
): Promise<Row[]> {
  const cost: Record<'guard' | 'relay', Load[]> = { guard: [], relay: [] }
  const run = async (side: 'guard' | 'relay', proxy: Proxy): Promise<number> => {
    const before = await cpuOf(proxy)
    const began = performance.now()
    const perSecond = await load(proxy)
    const answered = (perSecond * (performance.now() - began)) / 1_000
    cost[side].push({ perSecond, cpuMicroseconds: ((await cpuOf(proxy)) - before) / answered })
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

async function withProxies<T>(guard: string[], work: (guard: Proxy, relay: Proxy) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'shiv-proxy-tcp-'))
  const children: ChildProcess[] = []
  try {
    const outfile = join(folder, 'child.mjs')
    // Of the checkout, from wherever this was bundled to.
    const entry = join(import.meta.dirname, '..', '..', 'bench', 'support', 'proxy-tcp-child.ts')
    await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
    const begin = async (argv: string[]): Promise<Proxy> => {
      const child = fork(outfile, argv)
      children.push(child)
      return { child, port: (await told<{ port: number }>(child)).port }
    }
    return await work(await begin(guard), await begin(['relay', guard[1]!]))
  } finally {
    for (const child of children) child.disconnect()
    await rm(folder, { recursive: true, force: true })
  }
}

async function cpuOf({ child }: Proxy): Promise<number> {
  child.send('cpu')
  return (await told<{ cpuMicroseconds: number }>(child)).cpuMicroseconds
}

function told<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`a child of the measure ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.removeListener('exit', onExit)
      resolve(message as T)
    })
  })
}
