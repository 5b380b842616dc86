import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openPostgresDependency } from '../../../src/drivers/dependency/postgres/open-postgres.ts'
import { asOwner, OWNER, startPostgres, type TestServer } from './support/servers.ts'
import { type Opened, openFor, settingOf } from './support/setting.ts'

let server: TestServer
beforeAll(async () => {
  server = await startPostgres()
  await asOwner(server.port, 'create table users (id serial primary key, name text); insert into users (name) values ($$ada$$)')
})
afterAll(() => server.end())

const opened: Opened[] = []
const clients: pg.Client[] = []
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)))
  await Promise.all(opened.splice(0).map(({ dependency }) => dependency.close()))
})

const open = async (more: Parameters<typeof settingOf>[2] = {}): Promise<Opened> => {
  const upstream = { credentials: async () => ({ ...OWNER, database: 'postgres' }), ...more.upstream }
  const one = await openFor(
    openPostgresDependency,
    settingOf('postgres', `postgres://127.0.0.1:${server.port}`, { ...more, upstream }),
  )
  opened.push(one)
  return one
}
const connect = async ({ dependency }: Opened, more: pg.ClientConfig = {}): Promise<pg.Client> => {
  const client = new pg.Client({ host: '127.0.0.1', port: dependency.port, user: 'service', password: 'whatever', ...more })
  client.on('error', () => undefined)
  clients.push(client)
  await client.connect()
  return client
}

test('a service without a password of staging reads there, by simple and by prepared queries', async () => {
  const one = await open()
  const client = await connect(one)
  expect((await client.query('select name, current_user as who from users')).rows).toEqual([{ name: 'ada', who: 'owner' }])
  expect((await client.query('select name from users where id = $1', [1])).rows).toEqual([{ name: 'ada' }])
  expect((await client.query({ name: 'by-id', text: 'select name from users where id = $1', values: [1] })).rowCount).toBe(1)
  expect((await client.query({ name: 'by-id', text: 'select name from users where id = $1', values: [2] })).rowCount).toBe(0)
  expect(one.events.map(({ summary, outcome, status, servedBy }) => [summary, outcome, status, servedBy])).toEqual(
    Array.from({ length: 4 }, () => ['SELECT … FROM users', 'answered', '00000', 'upstream']),
  )
  expect(one.dependency.health()).toMatchObject({ state: 'ready', requests: 4, refused: 0, failed: 0, openConnections: 1 })
})

test('a write is refused in the words of Postgres, and fails the transaction until ROLLBACK', async () => {
  const one = await open()
  const client = await connect(one)
  const refused = await client.query("insert into users (name) values ('eve')").catch((error: unknown) => error)
  expect(refused).toMatchObject({
    code: '25006',
    message: 'shiv refused INSERT INTO users: staging (users-db) is read-only here, and INSERT is not a read',
    hint: 'To let it through, in service.yaml: dependencies: [{ users: { access: read_write } }].',
  })
  await client.query('begin')
  await client.query('select 1')
  await expect(client.query('delete from users where id = $1', [1])).rejects.toMatchObject({ code: '25006' })
  await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' })
  await client.query('rollback')
  expect((await client.query('select count(*)::int as n from users')).rows).toEqual([{ n: 1 }])
  expect(
    one.events.filter(({ outcome }) => outcome === 'refused').map(({ summary, servedBy, cause }) => [summary, servedBy, cause]),
  ).toEqual([
    ['INSERT INTO users', 'guard', 'INSERT is not a read'],
    ['DELETE FROM users', 'guard', 'DELETE is not a read'],
  ])
  expect(JSON.stringify(one.events)).not.toContain('eve')
})
