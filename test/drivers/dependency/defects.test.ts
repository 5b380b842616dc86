import { connect } from 'node:net'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Capture } from '../../../src/drivers/dependency/exchange.ts'
import { openPostgresDependency } from '../../../src/drivers/dependency/postgres/open-postgres.ts'
import { openRedisDependency } from '../../../src/drivers/dependency/redis/open-redis.ts'
import { ask } from '../../../src/drivers/redis/resp.ts'
import type { OpenDependency } from '../../../src/engine/dependency-ports.ts'
import { cleanUp, httpUpstream, open } from './http/support.ts'
import { OWNER, startPostgres, startRedis, type TestServer } from './support/servers.ts'
import { settingOf } from './support/setting.ts'
import { until } from './support/until.ts'

let postgres: TestServer
let redis: TestServer
beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(), startRedis('redis-secret')])
})
afterAll(() => Promise.all([postgres.end(), redis.end()]))

/** What would have ended the daemon. */
const fatal: unknown[] = []
const hear = (error: unknown): void => void fatal.push(error)
beforeEach(() => {
  process.on('uncaughtException', hear)
  process.on('unhandledRejection', hear)
})
afterEach(() => {
  process.removeListener('uncaughtException', hear)
  process.removeListener('unhandledRejection', hear)
  expect(fatal.splice(0)).toEqual([])
})

const mistake = (): never => {
  throw new TypeError('a mistake of ours')
}
/** Fails once, when it is told to. */
const armed = () => {
  const state = { isArmed: false, told: [] as unknown[] }
  return {
    state,
    onEvent: (): void => {
      if (!state.isArmed) return
      state.isArmed = false
      mistake()
    },
    onDefect: (error: unknown): void => void state.told.push(error),
  }
}
const expectTold = async (dependency: OpenDependency, told: unknown[]): Promise<void> => {
  await until(() => told.length > 0, 'the defect is told')
  expect(told[0]).toBeInstanceOf(TypeError)
  expect(dependency.health().lastError?.message).toBe('INTERNAL: a mistake of ours')
}

test.each(['requestData', 'responseHead', 'responseData', 'end'] as const)(
  'a mistake in %s of HTTP/1.1 ends its connection, is told, and the next request is served',
  async (where) => {
    const upstream = await httpUpstream((request, response) => request.resume().on('end', () => response.end('served')))
    let isArmed = true
    const told: unknown[] = []
    const capture = (): Capture => {
      const quiet: Capture = { requestData() {}, requestEnd() {}, responseHead() {}, responseData() {}, end() {}, fail() {} }
      return isArmed ? { ...quiet, [where]: mistake } : quiet
    }
    const { port, dependency } = await open(
      upstream,
      { mode: 'record' },
      {
        openExchange: async () => ({ recorder: { begin: capture }, close: async () => {} }),
        onDefect: (error) => told.push(error),
      },
    )
    const post = () => fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'sent' }).then((answer) => answer.text())
    // At its end the answer is with the client already.
    if (where === 'end') await post()
    else await expect(post()).rejects.toThrow()
    await expectTold(dependency, told)
    isArmed = false
    expect(await post()).toBe('served')
  },
)

test('a mistake while a request is begun ends its connection, is told, and the next request is served', async () => {
  const upstream = await httpUpstream((_request, response) => response.end('served'))
  let isArmed = true
  const told: unknown[] = []
  const { port, dependency } = await open(
    upstream,
    { faults: { errorRate: 0.000_001 } as never },
    { random: () => (isArmed ? mistake() : 0.5), onDefect: (error) => told.push(error) },
  )
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow()
  await expectTold(dependency, told)
  isArmed = false
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('served')
})

test('a mistake while a Postgres session is carried ends that session, in words, and no other', async () => {
  const { state, ...options } = armed()
  const upstream = { credentials: async () => ({ ...OWNER, database: 'postgres' }) }
  const dependency = await openPostgresDependency(
    settingOf('postgres', `postgres://127.0.0.1:${postgres.port}`, { upstream }),
    options,
  )
  cleanUp(() => dependency.close())
  const dial = async (): Promise<pg.Client> => {
    const client = new pg.Client({ host: '127.0.0.1', port: dependency.port, user: 'x', password: 'x' })
    client.on('error', () => undefined)
    await client.connect()
    cleanUp(() => client.end().catch(() => undefined))
    return client
  }
  const [struck, other] = [await dial(), await dial()]
  await other.query('select 1')
  state.isArmed = true
  await struck.query('select 1').catch(() => undefined)
  await expectTold(dependency, state.told)
  await expect(struck.query('select 1')).rejects.toThrow()
  expect((await other.query('select 2 as n')).rows).toEqual([{ n: 2 }])
})

test('a mistake while a Redis connection is carried ends that connection, and no other', async () => {
  const { state, ...options } = armed()
  const upstream = { credentials: async () => ({ user: 'default', password: 'redis-secret' }) }
  const dependency = await openRedisDependency(settingOf('redis', `redis://127.0.0.1:${redis.port}`, { upstream }), options)
  cleanUp(() => dependency.close())
  const dial = () => {
    const socket = connect(dependency.port, '127.0.0.1').on('error', () => undefined)
    cleanUp(() => socket.destroy())
    return socket
  }
  const never = new AbortController().signal
  const [struck, other] = [dial(), dial()]
  expect(await ask(other, ['PING'], never)).toBe('PONG')
  state.isArmed = true
  const ended = new Promise((resolve) => struck.once('close', resolve))
  await ask(struck, ['PING'], never).catch(() => undefined)
  await expectTold(dependency, state.told)
  await ended
  expect(await ask(other, ['PING'], never)).toBe('PONG')
})
