import { execa } from 'execa'
import { existsSync, readFileSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findServer } from '../../../src/drivers/database/find-program.ts'
import { askRedis } from '../../../src/drivers/database/redis-client.ts'
import type { LiveState } from '../../../src/engine/ports.ts'
import type { DatabasePlan, Plan } from '../../../src/plan/types.ts'
import { databaseOf, planOf, postgresPreset, redisPreset } from '../../contract/plans.ts'
import { createWorld, failureOf, lives, until, type World } from '../process/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.end())

const planWith = (...databases: DatabasePlan[]): Plan => planOf(world.home, { services: [], databases })
const folderOf = (name: string) => realpathSync(join(world.context().runDir, 'data', 'databases', name))
/** Of the process that the record names; -1 while it names none. */
const pidOf = (name: string): number =>
  (JSON.parse(readFileSync(join(world.context().runDir, 'processes', `@${name}.json`), 'utf8')) as { identity?: { pid: number } })
    .identity?.pid ?? -1

async function query(state: LiveState, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: state.databases[0]!.url })
  await client.connect()
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

describe('Postgres', () => {
  const plan = () => planWith(databaseOf(postgresPreset, 'user-db', []))

  test('runs for a client of the host, as no root, on the loopback only, with a password of its own', async () => {
    const state = await world.runtime.reconcile(plan(), world.context())
    expect(state.databases[0]).toMatchObject({
      name: 'user-db',
      type: 'postgres',
      version: expect.stringMatching(/^\d+\.\d+/),
      state: 'ready',
    })
    expect(
      await query(state, "SELECT current_database() AS name, current_user AS who, current_setting('fsync') AS fsync"),
    ).toEqual([{ name: 'app', who: 'app', fsync: 'on' }])
    const url = new URL(state.databases[0]!.url)
    expect(url.password).toMatch(/^[0-9a-f]{48}$/)
    const wrong = new pg.Client({ connectionString: state.databases[0]!.url.replace(url.password, 'guess') })
    await expect(wrong.connect()).rejects.toMatchObject({ code: '28P01' })
    if (process.platform === 'linux') expect(statSync(`/proc/${pidOf('user-db')}`).uid).not.toBe(0)
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)
    if (outside !== undefined) expect(await canConnect(outside.address, state.databases[0]!.port)).toBe(false)
    // The password is in credentials.json, and in no other file, argument or environment.
    const { stdout: files } = await execa('grep', ['-rl', url.password, world.home, folderOf('user-db')], { reject: false })
    expect(files).toBe(join(world.context().runDir, 'credentials.json'))
    expect(statSync(files).mode & 0o777).toBe(0o600)
    expect(statSync(folderOf('user-db')).mode & 0o777).toBe(0o700)
    if (process.platform === 'linux') {
      for (const part of ['cmdline', 'environ'])
        expect(readFileSync(`/proc/${pidOf('user-db')}/${part}`, 'latin1')).not.toContain(url.password)
    }
  })

  test('keeps its data over stop and start, and purge deletes it', async () => {
    await query(await world.runtime.reconcile(plan(), world.context()), 'CREATE TABLE kept AS SELECT 42 AS answer')
    await world.runtime.remove(plan(), { purge: false }, world.context())
    const again = await world.runtime.reconcile(plan(), world.context())
    expect(await query(again, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
    const folder = folderOf('user-db')
    await world.runtime.remove(plan(), { purge: true }, world.context())
    expect(existsSync(folder)).toBe(false)
    const fresh = await world.runtime.reconcile(plan(), world.context())
    expect(fresh.databases[0]!.url).not.toBe(again.databases[0]!.url)
    await expect(query(fresh, 'SELECT answer FROM kept')).rejects.toMatchObject({ code: '42P01' })
  })

  test('killed with -9 comes back by itself with what was committed', async () => {
    const state = await world.runtime.reconcile(plan(), world.context())
    await query(state, 'CREATE TABLE kept AS SELECT 42 AS answer')
    const pid = pidOf('user-db')
    process.kill(pid, 'SIGKILL')
    const back = await until(async () => {
      // The process first: a state that was read before it began is that of the killed one.
      if ([-1, pid].includes(pidOf('user-db'))) return false
      const now = await world.runtime.read(plan(), world.context())
      return now.databases[0]!.state === 'ready' && now
    }, 'it is ready again')
    expect(await query(back, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
  })

  test("is not held up by the lock of a dead server whose pid is somebody else's now", async () => {
    const state = await world.runtime.reconcile(plan(), world.context())
    const lock = join(folderOf('user-db'), 'data', 'postmaster.pid')
    const lines = readFileSync(lock, 'utf8').split('\n')
    await world.runtime.remove(plan(), { purge: false }, world.context())
    writeFileSync(lock, [process.pid, ...lines.slice(1)].join('\n'))
    expect((await world.runtime.reconcile(plan(), world.context())).databases[0]!.state).toBe('ready')
    expect(lives(process.pid)).toBe(true)
    expect(state.databases[0]!.port).toBe((await world.runtime.read(plan(), world.context())).databases[0]!.port)
  })

  test('ends a server of its folder that no record knows of before it starts another', async () => {
    await world.runtime.reconcile(plan(), world.context())
    const lost = pidOf('user-db')
    await world.runtime.release('run-1')
    rmSync(join(world.context().runDir, 'processes'), { recursive: true })
    const state = await world.again().reconcile(plan(), world.context())
    expect(lives(lost)).toBe(false)
    expect(await query(state, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('refuses data of another major version, and says what can be done', async () => {
    await world.runtime.reconcile(plan(), world.context())
    await world.runtime.remove(plan(), { purge: false }, world.context())
    writeFileSync(join(folderOf('user-db'), 'data', 'PG_VERSION'), '9\n')
    const failure = await failureOf(world.runtime.reconcile(plan(), world.context()))
    expect(failure).toMatchObject({
      code: 'DATABASE_VERSION_MISMATCH',
      message: expect.stringContaining('was written by postgres 9'),
      hint: expect.stringContaining('--purge'),
    })
  })

  test('makes its data folder whole or not at all', async () => {
    const broken = {
      ...postgresPreset,
      process: {
        ...postgresPreset.process!,
        init: [...postgresPreset.process!.init!, ['sh', '-c', 'echo "no space" >&2; exit 1']],
      },
    }
    const failure = await failureOf(world.runtime.reconcile(planWith(databaseOf(broken, 'user-db', [])), world.context()))
    expect(failure).toMatchObject({ code: 'DATABASE_INIT_FAILED' })
    expect(failure.evidence).toContain('no space')
    expect(readdirSync(folderOf('user-db')).filter((name) => name === 'data' || name === 'password')).toEqual([])
    expect((await world.runtime.reconcile(plan(), world.context())).databases[0]!.state).toBe('ready')
  })

  test('of two names are two servers, with passwords of their own', async () => {
    const both = planWith(databaseOf(postgresPreset, 'one', []), databaseOf(postgresPreset, 'two', []))
    const { databases } = await world.runtime.reconcile(both, world.context())
    expect(databases.map(({ state }) => state)).toEqual(['ready', 'ready'])
    expect(new Set(databases.map(({ url }) => new URL(url).password)).size).toBe(2)
    // One that leaves the Plan ends, and its data stays.
    const one = pidOf('one')
    await world.runtime.reconcile(planWith(both.databases[1]!), world.context())
    expect(lives(one)).toBe(false)
    expect(existsSync(join(folderOf('one'), 'data'))).toBe(true)
  })
})

const redis = findServer('valkey-server', process.env['PATH']) ?? findServer('redis-server', process.env['PATH'])
describe.skipIf(redis === undefined)(
  redis ? 'Redis' : 'Redis (skipped: neither valkey-server nor redis-server is on this machine)',
  () => {
    const plan = () => planWith(databaseOf(redisPreset, 'cache', []))

    test('wants its password, which is in no argument, and keeps its data', async () => {
      const state = await world.runtime.reconcile(plan(), world.context())
      const { hostname: host, port, password } = new URL(state.databases[0]!.url)
      const address = { host, port: Number(port), password }
      const signal = AbortSignal.timeout(5_000)
      expect(await askRedis(address, ['SET', 'answer', '42'], signal)).toBe('OK')
      await expect(askRedis({ ...address, password: '' }, ['GET', 'answer'], signal)).rejects.toThrow('NOAUTH')
      if (process.platform === 'linux') {
        expect(readFileSync(`/proc/${pidOf('cache')}/cmdline`, 'latin1')).not.toContain(password)
        expect(statSync(`/proc/${pidOf('cache')}`).uid).not.toBe(0)
      }
      expect(statSync(join(folderOf('cache'), 'server.conf')).mode & 0o777).toBe(0o600)
      expect(
        await world.runtime.readings(plan(), [{ kind: 'runtime', question: 'version:cache', expect: '7' }], world.context()),
      ).toEqual([{ actual: expect.stringMatching(/^\d+\.\d+\.\d+$/) }])
      await world.runtime.remove(plan(), { purge: false }, world.context())
      expect(existsSync(join(folderOf('cache'), 'server.conf'))).toBe(false)
      await world.runtime.reconcile(plan(), world.context())
      expect(await askRedis(address, ['GET', 'answer'], signal)).toBe('42')
    })

    test('two that begin at the same moment do not meet', async () => {
      const both = planWith(databaseOf(redisPreset, 'cache', []), databaseOf(redisPreset, 'queue', []))
      const state = await world.runtime.reconcile(both, world.context())
      expect(state.databases.map((database) => database.state)).toEqual(['ready', 'ready'])
    })
  },
)

describe('any other type', () => {
  test('needs nothing but its preset', async () => {
    const echo = `require('net').createServer((socket) => socket.pipe(socket)).listen(Number(process.argv[1]), '127.0.0.1')`
    const preset = {
      ...redisPreset,
      name: 'echodb',
      process: {
        binaries: ['echodb-server', 'node'],
        install: {},
        run: ['${server}', '-e', echo, '${port}'],
        stop: 'SIGTERM' as const,
        health: { kind: 'tcp' as const },
      },
    }
    const state = await world.runtime.reconcile(planWith(databaseOf(preset, 'echoes', [])), world.context())
    expect(state.databases[0]).toMatchObject({ type: 'echodb', state: 'ready', version: process.versions.node })
    expect(await canConnect('127.0.0.1', state.databases[0]!.port)).toBe(true)
  })

  test('is refused where its server is missing, with the line that installs it', async () => {
    const preset = {
      ...redisPreset,
      process: {
        ...redisPreset.process!,
        binaries: ['no-such-server'],
        install: {
          debian: 'sudo apt-get install -y x',
          macos: 'brew install x',
          fedora: 'sudo dnf install -y x',
          other: 'see x',
        },
      },
    }
    const failure = await failureOf(world.runtime.reconcile(planWith(databaseOf(preset, 'cache', [])), world.context()))
    expect(failure).toMatchObject({
      code: 'DATABASE_BINARY_MISSING',
      exit: 3,
      message: expect.stringContaining('no-such-server'),
      hint: expect.stringMatching(/ x$/),
    })
  })

  test('is refused where its preset knows no process', async () => {
    const failure = await failureOf(
      world.runtime.reconcile(planWith(databaseOf({ ...redisPreset, process: undefined }, 'cache', [])), world.context()),
    )
    expect(failure).toMatchObject({ code: 'DATABASE_TYPE_NO_PROCESS', exit: 3 })
  })
})

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 })
    const end = (connected: boolean) => {
      socket.destroy()
      resolve(connected)
    }
    socket.on('connect', () => end(true))
    socket.on('error', () => end(false))
    socket.on('timeout', () => end(false))
  })
}
