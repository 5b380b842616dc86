import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openPostgresDependency } from '../../../src/drivers/dependency/postgres/open-postgres.ts'
import { connect as dialTcp, createServer, type Socket } from 'node:net'
import { int32, message, opening, startup, CODE } from '../../../src/drivers/postgres/messages.ts'
import { createCutRelay } from './support/cut-relay.ts'
import { createPgClients } from './support/pg-clients.ts'
import { asOwner, OWNER, startPostgres, type TestServer } from './support/servers.ts'
import { holdForTests } from './support/opened.ts'
import { type Opened, openFor, READ_WRITE, settingOf } from './support/setting.ts'
import { until } from './support/until.ts'

let server: TestServer
beforeAll(async () => {
  server = await startPostgres()
  await asOwner(server.port, 'create table users (id serial primary key, name text); insert into users (name) values ($$ada$$)')
})
afterAll(() => server.end())

const { keep, sockets } = holdForTests()
const { connect, end: endClients } = createPgClients()
afterEach(endClients)

const open = async (more: Parameters<typeof settingOf>[2] = {}): Promise<Opened> => {
  const upstream = { credentials: async () => ({ ...OWNER, database: 'postgres' }), ...more.upstream }
  const one = await openFor(
    openPostgresDependency,
    settingOf('postgres', `postgres://127.0.0.1:${server.port}`, { ...more, upstream }),
  )
  keep(one)
  return one
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
    hint: 'To let it through, write read_only: false under users in service.yaml.',
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

/** A raw connection that is past its login; `said` grows by whatever comes. */
const dialRaw = async (
  { dependency }: Opened,
  parameters: Record<string, string> = {},
): Promise<{ socket: Socket; said(): Buffer }> => {
  const socket = dialTcp(dependency.port, '127.0.0.1').on('error', () => undefined)
  sockets.push(socket)
  let bytes = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])))
  socket.write(startup({ user: 'raw', ...parameters }))
  await until(() => typesOf(bytes).at(-1) === 'Z' || socket.readableEnded || typesOf(bytes).includes('E'), 'the session is open')
  const start = bytes.length
  return { socket, said: () => bytes.subarray(start) }
}
/** Types of the whole messages; of errors with their SQLSTATE, of ReadyForQuery with its status. */
const typesOf = (bytes: Buffer): string[] => {
  const types: string[] = []
  for (let at = 0; at + 5 <= bytes.length;) {
    const type = String.fromCharCode(bytes[at]!)
    const end = at + 1 + bytes.readInt32BE(at + 1)
    const body = bytes.toString('latin1', at + 5, end)
    if (type === 'E') types.push(`E${/\0C(\w+)\0/.exec(`\0${body}`)?.[1]}`)
    else types.push(type === 'Z' ? (body === 'I' ? 'Z' : `Z${body}`) : type)
    at = end
  }
  return types
}
const query = (sql: string): Buffer => message('Q', `${sql}\0`)
const parse = (sql: string, name = ''): Buffer => message('P', `${name}\0${sql}\0`, Buffer.from([0, 0]))
const bind = (name = ''): Buffer => message('B', `\0${name}\0`, Buffer.from([0, 0, 0, 0, 0, 0]))
const execute = message('E', '\0', int32(0))
const sync = message('S')

test('bytes of the protocol: a refused statement has its place in the pipeline, whole or byte by byte', async () => {
  const one = await open()
  const pipeline = Buffer.concat([
    query('select 1'),
    query("insert into users (name) values ('raw')"),
    query('begin; select 2'),
    query('update users set name = name'),
    query('select 3'),
    query('rollback'),
    parse('select 4'),
    bind(),
    execute,
    parse("insert into users (name) values ('raw')", 'w'),
    bind('w'),
    execute,
    parse('select 5'),
    sync,
    parse('select 6', 's'),
    bind('s'),
    execute,
    sync,
    query('select 7'),
  ])
  const wanted = 'T D C Z E25006 Z C T D C ZT E25006 ZE E25P02 ZE C Z 1 2 D C E25006 Z 1 2 D C Z T D C Z'
  const whole = await dialRaw(one)
  whole.socket.write(pipeline)
  await until(
    () => typesOf(whole.said()).length === wanted.split(' ').length,
    `everything is answered: ${typesOf(whole.said()).join(' ')}`,
  )
  expect(typesOf(whole.said()).join(' ')).toBe(wanted)
  const slow = await dialRaw(one)
  slow.socket.setNoDelay(true)
  for (const byte of pipeline) {
    slow.socket.write(Buffer.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => typesOf(slow.said()).length === wanted.split(' ').length, 'everything is answered byte by byte')
  expect(typesOf(slow.said()).join(' ')).toBe(wanted)
  expect((await asOwner(server.port, 'select count(*)::int as n from users')).rows).toEqual([{ n: 1 }])
})

test('bytes of the protocol: calls by number, lying lengths and half messages write nothing', async () => {
  const one = await open()
  const oid = (await asOwner(server.port, "select 'nextval'::regproc::oid::int as oid")).rows[0] as { oid: number }
  const call = await dialRaw(one)
  call.socket.write(
    Buffer.concat([
      message('F', int32(oid.oid), Buffer.from([0, 0, 0, 1]), int32(12), 'users_id_seq', Buffer.from([0, 0])),
      query('select 1'),
    ]),
  )
  await until(() => typesOf(call.said()).length === 6, 'both are answered')
  expect(typesOf(call.said())).toEqual(['E25006', 'Z', 'T', 'D', 'C', 'Z'])
  for (const bytes of [
    message('Q', "select 1\0insert into users (name) values ('x')\0"),
    message('Q', "insert into users (name) values ('x')"),
    Buffer.concat([Buffer.from('Q'), int32(3)]),
    Buffer.concat([Buffer.from('Q'), int32(0x7fffffff)]),
    Buffer.concat([Buffer.from('P'), int32(-5)]),
  ]) {
    const raw = await dialRaw(one)
    const ended = new Promise<void>((resolve) => raw.socket.once('end', () => resolve()))
    raw.socket.write(bytes)
    await ended
    expect(typesOf(raw.said())[0], bytes.toString('latin1')).toMatch(/^E(08P01|54000)$/)
  }
  expect((await asOwner(server.port, 'select count(*)::int as n from users')).rows).toEqual([{ n: 1 }])
})

test('what a connection asks for at its start cannot lead out of read-only', async () => {
  const one = await open()
  const codeOf = async (parameters: Record<string, string>): Promise<string> => {
    const socket = dialTcp(one.dependency.port, '127.0.0.1').on('error', () => undefined)
    sockets.push(socket)
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])))
    socket.write(startup({ user: 'raw', ...parameters }))
    await until(() => /^(Z|E)/.test(typesOf(bytes).at(-1) ?? ''), 'it is answered')
    return typesOf(bytes).at(-1)!
  }
  const ways: Record<string, string>[] = [
    { default_transaction_read_only: 'off' },
    { Default_Transaction_Read_Only: 'off' },
    { options: '-c default_transaction_read_only=off' },
    { options: '-cdefault_transaction_read_only=off' },
    { options: '--default-transaction-read-only=off' },
    { options: '-c default\\_transaction_read_only=off' },
    { options: '-c standard_conforming_strings=off' },
    { options: '-c session_replication_role=replica' },
    { options: '-e' },
    { replication: 'database' },
    { replication: 'true' },
    { client_encoding: 'SJIS' },
    { role: 'owner' },
    { session_authorization: 'owner' },
  ]
  for (const parameters of ways) {
    expect(await codeOf(parameters), JSON.stringify(parameters)).toBe('E25006')
  }
  expect(
    await codeOf({ options: '-c statement_timeout=5s -c search_path=public', application_name: 'svc', client_encoding: 'UTF8' }),
  ).toBe('Z')
})

test('encryption is declined, and a newer protocol is told to be 3.0', async () => {
  const { dependency } = await open()
  const socket = dialTcp(dependency.port, '127.0.0.1')
  sockets.push(socket)
  let bytes = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])))
  socket.write(opening(CODE.gss))
  await until(() => bytes.toString() === 'N', 'GSS is declined')
  socket.write(opening(CODE.ssl))
  await until(() => bytes.toString() === 'NN', 'TLS is declined')
  socket.write(opening(196_610, 'user\0raw\0_pq_.future\0on\0\0'))
  await until(() => typesOf(bytes.subarray(2)).at(-1) === 'Z', 'the session is open')
  expect(typesOf(bytes.subarray(2)).slice(0, 2)).toEqual(['v', 'R'])
})

test('a cancel request by the key that the client was given reaches its statement, and no other key does', async () => {
  const one = await open()
  const client = (await connect(one)) as pg.Client & { processID: number; secretKey: number }
  const sleeping = client.query('select pg_sleep(30)').catch((error: { code: string }) => error.code)
  await until(
    async () => (await asOwner(server.port, "select 1 from pg_stat_activity where query = 'select pg_sleep(30)'")).rowCount === 1,
    'it sleeps',
  )
  const cancel = (secret: number): Promise<void> =>
    new Promise((resolve) => {
      const socket = dialTcp(one.dependency.port, '127.0.0.1')
      socket.once('close', () => resolve())
      socket.once('end', () => socket.end())
      socket.end(opening(CODE.cancel, int32(client.processID), int32(secret)))
      socket.resume()
    })
  await cancel(client.secretKey ^ 1)
  expect((await asOwner(server.port, "select 1 from pg_stat_activity where query = 'select pg_sleep(30)'")).rowCount).toBe(1)
  await cancel(client.secretKey)
  expect(await sleeping).toBe('57014')
})

test('with a password for clients, only those who know it are let in', async () => {
  const one = await open({ clientPassword: 'local-only' })
  const client = await connect(one, { password: 'local-only' })
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await expect(connect(one, { password: OWNER.password })).rejects.toMatchObject({ code: '28P01' })
})

test('read-write: everything passes, statements of any length too', async () => {
  const one = await open({ access: READ_WRITE })
  const client = await connect(one)
  await client.query('create temp table big (text text)')
  await client.query(`insert into big values ('${'x'.repeat(18_000_000)}')`)
  await client.query('insert into big values ($1)', ['y'.repeat(18_000_000)])
  expect((await client.query('select sum(length(text))::int as n from big')).rows).toEqual([{ n: 36_000_000 }])
  expect(one.events.map(({ summary }) => summary)).toEqual([
    'CREATE TEMP big',
    'long SQL',
    'INSERT INTO big',
    'SELECT … FROM big',
  ])
})

test('a function that may be called is let through by its name, and stays within what the mode allows', async () => {
  await asOwner(
    server.port,
    'create or replace function volatile_reader() returns bigint language sql volatile as $$ select count(*) from users $$',
  )
  await asOwner(
    server.port,
    "create or replace function writer() returns bigint language sql volatile as $$ insert into users (name) values ('w') returning id $$",
  )
  const refused = await connect(await open())
  await expect(refused.query('select volatile_reader()')).rejects.toMatchObject({
    code: '25006',
    hint: expect.stringContaining('If volatile_reader only reads, declare it STABLE there.') as string,
  })
  const allow = ['public.volatile_reader', 'writer', 'set_config'].map((path) => ({ path, why: 'a test' }))
  const one = await open({ access: { level: 'read_only', allow } })
  const client = await connect(one)
  expect((await client.query('select public.volatile_reader()::int as n')).rows).toEqual([{ n: 1 }])
  await expect(client.query('select writer()')).rejects.toMatchObject({
    code: '25006',
    message: expect.stringMatching(/read-only transaction/) as string,
  })
  await expect(client.query("select set_config('default_transaction_read_only', 'off', false)")).rejects.toMatchObject({
    code: '25006',
  })
  await expect
    .poll(() => one.events)
    .toContainEqual(expect.objectContaining({ outcome: 'refused', servedBy: 'upstream', status: '25006' }))
})

test('a session that leaves read-only by a way that nobody thought of is ended at once', async () => {
  await asOwner(
    server.port,
    "create or replace function way_out() returns text language sql stable as $$ select set_config('default_transaction_read_only', 'off', false) $$",
  )
  const client = await connect(await open())
  await expect(client.query('select way_out()')).rejects.toMatchObject({ code: '25006' })
  await expect(client.query("insert into users (name) values ('w')")).rejects.toThrow()
  expect((await asOwner(server.port, 'select count(*)::int as n from users')).rows).toEqual([{ n: 1 }])
})

test('a role that the URL names is taken on, and not lost to DISCARD ALL', async () => {
  await asOwner(server.port, 'drop role if exists reader; create role reader; grant select on users to reader')
  const one = await openFor(
    openPostgresDependency,
    settingOf('postgres', `postgres://127.0.0.1:${server.port}?role=reader`, {
      upstream: { credentials: async () => ({ ...OWNER, database: 'postgres' }) },
    }),
  )
  keep(one)
  const client = await connect(one)
  expect((await client.query('select current_user as who')).rows).toEqual([{ who: 'reader' }])
  await client.query('discard all')
  expect((await client.query('select current_user as who')).rows).toEqual([{ who: 'reader' }])
})

test('DISCARD ALL and RESET ALL keep the session read-only', async () => {
  const client = await connect(await open())
  for (const sql of ['discard all', 'reset all']) {
    await client.query(sql)
    expect((await client.query('show default_transaction_read_only')).rows).toEqual([{ default_transaction_read_only: 'on' }])
  }
})

test('switched live: idle sessions end with 57P01, one in a transaction when that is over, and new ones go by the new setting', async () => {
  const one = await open()
  const [idle, busy] = [await connect(one), await connect(one)]
  const told = new Promise<{ code?: string }>((resolve) => idle.once('error', resolve))
  await busy.query('begin')
  const upstream = {
    url: new URL(`postgres://127.0.0.1:${server.port}`),
    credentials: async () => ({ ...OWNER, database: 'postgres' }),
  }
  one.dependency.set(settingOf('postgres', `postgres://127.0.0.1:${server.port}`, { access: READ_WRITE, upstream }))
  expect(await told).toMatchObject({ code: '57P01' })
  await expect(busy.query('delete from users')).rejects.toMatchObject({ code: '25006' })
  const gone = new Promise<void>((resolve) => busy.once('end', () => resolve()))
  await busy.query('rollback')
  await gone
  const client = await connect(one)
  await client.query("insert into users (name) values ('mine')")
  await client.query("delete from users where name = 'mine'")
})

test('an upstream that refuses, hangs, resets or says no is an error in the words of Postgres', async () => {
  const failing = async (url: string, upstream = {}): Promise<{ code: string; message: string }> => {
    const setting = settingOf('postgres', url, {
      rules: { timeouts: { connectMs: 400 } },
      upstream: { credentials: async () => OWNER, ...upstream },
    })
    const one = await openFor(openPostgresDependency, setting)
    keep(one)
    const error = await connect(one).then(
      () => undefined,
      (error: unknown) => error,
    )
    await until(() => one.dependency.health().state === 'failing', 'its health says so')
    expect(one.dependency.health().lastError?.message).not.toBe('')
    return error as { code: string; message: string }
  }
  const silent = createServer((socket) => socket.on('error', () => undefined))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const rude = createServer((socket) => socket.resetAndDestroy())
  await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve))
  const portOf = (one: typeof silent): number => (one.address() as { port: number }).port
  try {
    expect(await failing('postgres://127.0.0.1:1')).toMatchObject({
      code: '08006',
      message: 'staging (users-db) cannot be reached: the connection was refused.',
    })
    expect(await failing('postgres://no-such-host.invalid')).toMatchObject({
      code: '08006',
      message: expect.stringContaining('its name is not known here') as string,
    })
    expect(await failing(`postgres://127.0.0.1:${portOf(silent)}`)).toMatchObject({
      code: '08006',
      message: expect.stringContaining('did not open a session within 0.4 s') as string,
    })
    expect(await failing(`postgres://127.0.0.1:${portOf(rude)}`)).toMatchObject({ code: '08006' })
    const wrong = await failing(`postgres://127.0.0.1:${server.port}`, {
      credentials: async () => ({ user: 'owner', password: 'no' }),
    })
    expect(wrong).toMatchObject({
      code: '28P01',
      message: expect.stringContaining("staging (users-db) refused shiv's session") as string,
    })
    expect(await failing(`postgres://127.0.0.1:${server.port}?sslmode=require`)).toMatchObject({
      message: expect.stringContaining('has no TLS') as string,
    })
  } finally {
    silent.close()
    rude.close()
  }
})

test('a connection that is cut in the middle of an answer is cut for the client too, and the next one works', async () => {
  const relay = await createCutRelay({ host: '127.0.0.1', port: server.port })
  const one = await openFor(
    openPostgresDependency,
    settingOf('postgres', `postgres://127.0.0.1:${relay.port}`, {
      upstream: { credentials: async () => ({ ...OWNER, database: 'postgres' }) },
    }),
  )
  keep(one)
  try {
    const client = await connect(one)
    const sleeping = client.query('select pg_sleep(30)').catch((error: Error) => error)
    await until(
      async () =>
        (await asOwner(server.port, "select 1 from pg_stat_activity where query = 'select pg_sleep(30)'")).rowCount === 1,
      'it sleeps',
    )
    await relay.cut('refuse')
    expect(await sleeping).toBeInstanceOf(Error)
    await until(() => one.dependency.health().state === 'failing', 'its health says so')
    await relay.heal()
    await until(() => one.dependency.health().state === 'ready', 'a probe proved it again')
    expect((await (await connect(one)).query('select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(one.events.find(({ outcome }) => outcome === 'failed')).toMatchObject({ summary: 'SELECT' })
  } finally {
    await relay.close()
    await asOwner(server.port, "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(30)'")
  }
})

test('a client that breaks off ends its session at the upstream', async () => {
  const one = await open()
  const raw = await dialRaw(one, { application_name: 'breaks-off' })
  const there = async () =>
    (await asOwner(server.port, "select 1 from pg_stat_activity where application_name = 'breaks-off'")).rowCount
  expect(await there()).toBe(1)
  raw.socket.resetAndDestroy()
  await until(async () => (await there()) === 0, 'its session is gone')
  expect(one.dependency.health().openConnections).toBe(0)
})

test('a session that does not become read-only, as behind a pooler that drops what it asks for, is not used', async () => {
  const pooler = createServer((client) => {
    const upstream = dialTcp(server.port, '127.0.0.1')
    sockets.push(client, upstream)
    for (const side of [client, upstream]) side.on('error', () => side.destroy())
    client.once('data', (first: Buffer) => {
      const asked = first.toString('latin1')
      upstream.write(asked.replace('default_transaction_read_only\0on\0', 'default_transaction_read_only\0no\0'), 'latin1')
      client.pipe(upstream)
    })
    upstream.pipe(client)
  })
  await new Promise<void>((resolve) => pooler.listen(0, '127.0.0.1', resolve))
  try {
    const url = `postgres://127.0.0.1:${(pooler.address() as { port: number }).port}?sslmode=disable`
    const credentials = async () => ({ ...OWNER, database: 'postgres' })
    const one = await openFor(openPostgresDependency, settingOf('postgres', url, { upstream: { credentials } }))
    keep(one)
    await expect(connect(one)).rejects.toMatchObject({
      code: '25006',
      message: expect.stringContaining('did not make the session read-only') as string,
    })
  } finally {
    pooler.close()
  }
})

test('a cancel that the upstream does not take is given up within the deadline of a dial', async () => {
  const relay = await createCutRelay({ host: '127.0.0.1', port: server.port })
  const one = await open({
    rules: { timeouts: { connectMs: 1_000 } } as never,
    upstream: { url: new URL(`postgres://127.0.0.1:${relay.port}`) },
  })
  const client = await connect(one)
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  await relay.cut('swallow')
  const socket = dialTcp(one.dependency.port, '127.0.0.1').on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve).resume())
  socket.write(opening(CODE.cancel, int32(processID), int32(secretKey)))
  await closed
  await relay.close()
})
