import { readFileSync } from 'node:fs'
import { connect as dialTcp } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openPostgresDependency } from '../../../src/drivers/dependency/postgres/open-postgres.ts'
import { checkRecording, mergeRecordings } from '../../../src/drivers/dependency/recording/maintain.ts'
import type { RecordingRules } from '../../../src/plan/remote.ts'
import { readColumns } from '../../../src/drivers/dependency/postgres/frames.ts'
import { int32, message, readErrorFields, startup } from '../../../src/drivers/postgres/messages.ts'
import { until } from './support/until.ts'
import { rulesOf, tempFolder, type RuleChoice } from './recording/traffic.ts'
import { createCutRelay, type CutRelay } from './support/cut-relay.ts'
import { createPgClients } from './support/pg-clients.ts'
import { asOwner, OWNER, startPostgres, type TestServer } from './support/servers.ts'
import { type Opened, openFor, READ_ONLY, READ_WRITE, settingOf } from './support/setting.ts'

let server: TestServer
let network: CutRelay
beforeAll(async () => {
  server = await startPostgres()
  await asOwner(
    server.port,
    `create type mood as enum ('glad', 'sad');
     create table users (id serial primary key, name text, mood mood, born date, tags text[], notes jsonb, api_token text, avatar bytea);
     insert into users (name, mood, born, tags, notes, api_token, avatar) values
       ('ada', 'glad', '1815-12-10', '{a,b}', '{"k": 1, "password": "q7JsonSecret"}', 'q7TokenOfAda4711', '\\x00ff10'),
       ('grace', null, null, null, null, null, null)`,
  )
})
beforeEach(async () => {
  network = await createCutRelay({ host: '127.0.0.1', port: server.port })
})
afterAll(() => server.end())

const opened: Opened[] = []
const { make, connect, end: endClients } = createPgClients()
afterEach(async () => {
  await endClients()
  await Promise.all(opened.splice(0).map(({ dependency }) => dependency.close()))
  await network.close()
})

type Choice = RuleChoice & { access?: typeof READ_ONLY | typeof READ_WRITE; recordMissing?: boolean; password?: string }

function settingFor(mode: 'record' | 'replay' | 'staging', file: string, choice: Choice = {}) {
  const { access = READ_ONLY, recordMissing = false, password, ...rules } = choice
  const recording = { file, rules: rulesOf(rules) satisfies RecordingRules, recordMissing }
  const isUpstream = mode !== 'replay' || recordMissing
  const setting = settingOf('postgres', `postgres://127.0.0.1:${network.port}`, {
    mode,
    access,
    ...(mode !== 'staging' && { recording }),
    ...(password !== undefined && { clientPassword: password }),
    upstream: { credentials: async () => ({ ...OWNER, database: 'postgres' }) },
  })
  if (!isUpstream) delete setting.upstream
  return setting
}

const open = async (mode: 'record' | 'replay', file: string, choice: Choice = {}): Promise<Opened> => {
  const one = await openFor(openPostgresDependency, settingFor(mode, file, choice))
  opened.push(one)
  return one
}
const close = async (one: Opened): Promise<void> => {
  await endClients()
  opened.splice(opened.indexOf(one), 1)
  await one.dependency.close()
}
/** What a query gives, as far as a program can tell. */
const told = async (client: pg.Client, query: string | pg.QueryConfig): Promise<unknown> => {
  try {
    const results = [await client.query(query)].flat() as pg.QueryResult[]
    return results.map(({ rows, rowCount, command, fields }) => ({
      rows,
      rowCount,
      command,
      fields: fields.map(({ name, dataTypeID, dataTypeSize, dataTypeModifier, format }) => [
        name,
        dataTypeID,
        dataTypeSize,
        dataTypeModifier,
        format,
      ]),
    }))
  } catch (error) {
    const { code, message, detail, hint, position, severity } = error as pg.DatabaseError
    return { code, message, detail, hint, position, severity }
  }
}
/** Runs `work` against a recorded server, cuts it off, and runs it again on the recording. */
const recordAndReplay = async (
  work: (client: pg.Client) => Promise<unknown>,
  choice: Choice = {},
): Promise<{ recorded: unknown; played: unknown; file: string; events: Opened['events'] }> => {
  const file = join(tempFolder(), 'users.jsonl')
  await network.heal()
  const recording = await open('record', file, choice)
  const recorded = await work(await connect(recording))
  await close(recording)
  await network.cut('refuse')
  const replay = await open('replay', file, choice)
  const played = await work(await connect(replay))
  return { recorded, played, file, events: replay.events }
}

const QUERIES: (string | pg.QueryConfig)[] = [
  'select id, name, mood, born, tags, avatar from users order by id',
  { text: 'select name, born from users where id = $1', values: [1] },
  { text: 'select name, born from users where id = $1', values: [2] },
  { text: 'select name, id from users where id = $1', values: [1], binary: true } as pg.QueryConfig,
  { name: 'by-name', text: 'select id from users where name = $1', values: ['grace'] },
  { name: 'by-name', text: 'select id from users where name = $1', values: ['ada'] },
  { text: 'select mood, tags from users where mood = $1', values: ['glad'] },
  'select 1 as one; select 2 as two; select null as three where false',
  '',
  'show server_version',
  'select * from nowhere',
  { text: 'select * from nowhere where id = $1', values: [1] },
  { text: 'select $1::int / 0', values: [1] },
  { text: 'select id from users where id = $1', values: ['not a number'] },
  "set time zone 'UTC'",
  'explain select 1',
  'values (1, null), (2, $$it$$)',
]

test('whatever is asked with the server is answered the same without it, simple and prepared, text and binary', async () => {
  const { recorded, played, events, file } = await recordAndReplay(async (client) => {
    const answers = []
    for (const query of QUERIES) answers.push(await told(client, query))
    return answers
  })
  expect(played).toEqual(recorded)
  expect(events.every(({ servedBy, outcome }) => servedBy === 'recording' && outcome === 'answered')).toBe(true)
  expect(await checkRecording(file)).toEqual([])
})

test('transactions go on and fail as they do with the server, whatever of them was recorded', async () => {
  const { recorded, played, file } = await recordAndReplay(async (client) => {
    const answers = []
    for (const text of [
      'begin',
      'select name from users where id = 1',
      'savepoint a',
      'select * from nowhere',
      'select name from users where id = 1',
      'rollback to a',
      'select name from users where id = 1',
      'select * from nowhere',
      'commit',
      'commit',
      'start transaction isolation level repeatable read',
      'rollback and chain',
      'select name from users where id = 1',
      'end',
      'savepoint b',
    ])
      answers.push([text, await told(client, text), (client as unknown as { _txStatus?: string })._txStatus])
    return answers
  })
  expect(played).toEqual(recorded)
  // What only follows from a transaction that failed is in no recording, where it would be taken for an answer.
  expect(readFileSync(file, 'utf8')).not.toContain('25P02')
})

test('what was not recorded is refused with the nearest and its difference, and the session goes on', async () => {
  const { file } = await recordAndReplay((client) => told(client, { text: 'select name from users where id = $1', values: [1] }))
  const replay = await open('replay', file)
  const client = await connect(replay)
  expect(await told(client, { text: 'select name from users where id = $1', values: [2] })).toMatchObject({
    code: 'SH001',
    message: 'No recorded select name from users where id = $1 has these parameters.',
    detail: 'nearest: select name from users where id = $1\nparameters: other values than any that are recorded',
    hint: 'shiv proxy mode users record',
  })
  expect(await told(client, 'select name from users where id = 7')).toMatchObject({
    code: 'SH001',
    detail: expect.stringContaining('recorded: select name from users where id = $1'),
  })
  expect(await told(client, "insert into users (name) values ('eve')")).toMatchObject({
    code: 'SH001',
    hint: expect.stringMatching(
      /read_only: false under users in service.yaml, then: shiv start && shiv proxy mode users record$/,
    ),
  })
  await client.query('begin')
  await told(client, 'select 2')
  expect(await told(client, { text: 'select name from users where id = $1', values: [1] })).toMatchObject({ code: '25P02' })
  await client.query('rollback')
  expect(await told(client, { text: 'select name from users where id = $1', values: [1] })).toMatchObject([
    { rows: [{ name: 'ada' }] },
  ])
  expect(replay.events.filter(({ outcome }) => outcome === 'refused').map(({ servedBy, status }) => [servedBy, status])).toEqual(
    Array.from({ length: 4 }, () => ['nobody', 'SH001']),
  )
})

test('secrets of the server are in no recording, by the names of columns, of fields and by their form', async () => {
  const { played, file } = await recordAndReplay(async (client) => {
    await told(client, 'select api_token, notes from users order by id')
    await told(client, { text: 'select 1 as n from users where api_token = $1', values: ['q7TokenOfAda4711'] })
    await told(client, "select 'q7TokenOfAda4711' as plain")
    return told(client, 'select api_token, notes from users order by id')
  })
  const text = readFileSync(file, 'utf8')
  expect(text).not.toMatch(/q7|4711/)
  expect(text).not.toContain(OWNER.password)
  expect(played).toMatchObject([{ rows: [{ api_token: 'REDACTED-1', notes: { k: 1 } }, { api_token: null }] }])
})

test('a recording is the same file again, whatever the order and however many sessions; two are merged', async () => {
  const folder = tempFolder()
  const record = async (file: string, texts: string[], sessions = 1): Promise<void> => {
    const one = await open('record', file)
    for (let session = 0; session < sessions; session += 1) {
      const client = await connect(one)
      for (const text of texts) await told(client, { text, values: [] })
      for (const text of texts) await told(client, text)
    }
    await close(one)
  }
  const at = (name: string): string => join(folder, `${name}.jsonl`)
  const texts = ['select name from users', 'select * from nowhere', 'select count(*) from users']
  await record(at('a'), texts)
  await record(at('b'), texts.toReversed(), 3)
  expect(readFileSync(at('b'), 'utf8')).toBe(readFileSync(at('a'), 'utf8'))
  await record(at('c'), ['select 7 as seven'])
  await mergeRecordings([at('a'), at('c')], at('ac'))
  await mergeRecordings([at('c'), at('b'), at('a')], at('ca'))
  expect(readFileSync(at('ca'), 'utf8')).toBe(readFileSync(at('ac'), 'utf8'))
  await network.cut('refuse')
  const client = await connect(await open('replay', at('ac')))
  expect(await told(client, 'select 7 as seven')).toMatchObject([{ rows: [{ seven: 7 }] }])
  expect(await told(client, 'select count(*) from users')).toMatchObject([{ rows: [{ count: '2' }] }])
})

test('cursors, notifications and COPY from the client are left out, and say so when they are asked for', async () => {
  const { file } = await recordAndReplay(
    async (client) => {
      for (const text of ['begin', 'declare c cursor for select name from users', 'fetch 1 from c', 'commit', 'listen news'])
        await told(client, text)
      return undefined
    },
    { access: READ_WRITE },
  )
  const client = await connect(await open('replay', file))
  for (const [text, why] of [
    ['fetch 1 from c', 'what a cursor gives depends on what it gave before'],
    ['declare c cursor for select name from users', 'what a cursor gives'],
    ['listen news', 'notifications are not recorded'],
  ] as const)
    expect([text, await told(client, text)]).toMatchObject([text, { code: 'SH001', message: expect.stringContaining(why) }])
  expect(readFileSync(file, 'utf8')).toContain('"omitted":"notifications are not recorded"')
})

test('COPY to the client is left out with the reason, also where it is asked for because it is missing', async () => {
  const file = join(tempFolder(), 'users.jsonl')
  const copy = 'copy (select id, api_token from users order by id) to stdout'
  const rows = async (client: pg.Client): Promise<string> => {
    const { connection } = client as unknown as { connection: NodeJS.EventEmitter & { query(text: string): void } }
    let text = ''
    const hear = ({ chunk }: { chunk: Buffer }): void => void (text += chunk.toString())
    connection.on('copyData', hear)
    await client.query(copy)
    connection.removeListener('copyData', hear)
    return text
  }
  for (const [mode, recordMissing] of [
    ['record', false],
    ['replay', true],
  ] as const) {
    const target = recordMissing ? join(tempFolder(), 'missing.jsonl') : file
    const one = await open(mode, target, { recordMissing })
    expect(await rows(await connect(one)), mode).toBe('1\tq7TokenOfAda4711\n2\t\\N\n')
    await close(one)
    const text = readFileSync(target, 'utf8')
    expect(text, mode).not.toContain('q7TokenOfAda')
    expect(text, mode).toContain('"omitted":"the columns of what COPY gives have no names')
  }
  await network.cut('refuse')
  const answer = await told(await connect(await open('replay', file)), copy)
  expect(answer).toMatchObject({ code: 'SH001', message: expect.stringContaining('COPY gives have no names') })
})

test('in order: answers come as they came, and a service that writes finds what it wrote', async () => {
  const { recorded, played } = await recordAndReplay(
    async (client) => {
      const answers = [await told(client, 'select count(*) from orders_of_test')]
      await told(client, 'create table orders_of_test (id int unique, pin text)')
      for (const id of [1, 2, 1]) {
        answers.push(await told(client, { text: 'insert into orders_of_test (id) values ($1)', values: [id] }))
        answers.push(await told(client, 'select count(*) from orders_of_test'))
      }
      answers.push(await told(client, 'drop table orders_of_test'))
      return answers
    },
    { access: READ_WRITE, order: 'ordered' },
  )
  expect(played).toEqual(recorded)
  expect(JSON.stringify(recorded)).toContain('23505')
})

test('a session is let in by the password of the run alone, and reports what the server did', async () => {
  const choice = { password: 'password-of-the-run' }
  const file = join(tempFolder(), 'users.jsonl')
  const statuses = async (one: Opened): Promise<Record<string, string>> => {
    const client = make(one, { password: choice.password })
    const said: Record<string, string> = {}
    const { connection } = client as unknown as { connection: NodeJS.EventEmitter }
    connection.on(
      'parameterStatus',
      ({ parameterName, parameterValue }: Record<string, string>) => (said[parameterName!] = parameterValue!),
    )
    await client.connect()
    delete said['session_authorization']
    return said
  }
  const recording = await open('record', file, choice)
  const recorded = await statuses(recording)
  await close(recording)
  await network.cut('refuse')
  const replay = await open('replay', file, choice)
  const played = await statuses(replay)
  expect(recorded['server_version']).toMatch(/^\d/)
  expect(played).toEqual(recorded)
  await expect(connect(replay, { password: 'guessed' })).rejects.toMatchObject({ code: '28P01' })
})

test('what is missing is asked of the server, once, within the transaction that it belongs to; writes stay refused', async () => {
  const file = join(tempFolder(), 'users.jsonl')
  const first = await open('record', file)
  await told(await connect(first), 'select name from users where id = 1')
  await close(first)
  const dialled = network.attempts

  const both = await open('replay', file, { recordMissing: true })
  const client = await connect(both)
  expect(await told(client, 'select name from users where id = 1')).toMatchObject([{ rows: [{ name: 'ada' }] }])
  expect(both.events.at(-1)).toMatchObject({ servedBy: 'recording' })
  await told(client, "set application_name = 'before'")
  await client.query('begin')
  expect(
    await told(client, "select current_setting('application_name') as of, now() = statement_timestamp() as first"),
  ).toMatchObject([{ rows: [{ of: 'before' }] }])
  expect(both.events.at(-1)).toMatchObject({ servedBy: 'upstream' })
  expect(await told(client, { text: 'select id from users where name = $1', values: ['grace'] })).toMatchObject([
    { rows: [{ id: 2 }] },
  ])
  expect(await told(client, "insert into users (name) values ('eve')")).toMatchObject({ code: '25006' })
  expect(await told(client, 'select 1 as one')).toMatchObject({ code: '25P02' })
  await client.query('rollback')
  expect(await told(client, { text: 'select $1::int + 1 as next', values: [1], name: 'next' })).toMatchObject([
    { rows: [{ next: 2 }] },
  ])
  expect((await asOwner(server.port, "select count(*)::int as n from users where name = 'eve'")).rows).toEqual([{ n: 0 }])
  await close(both)
  expect(network.attempts).toBeGreaterThan(dialled)

  await network.cut('refuse')
  const later = await connect(await open('replay', file))
  expect(await told(later, { text: 'select id from users where name = $1', values: ['grace'] })).toMatchObject([
    { rows: [{ id: 2 }] },
  ])
  expect(await told(later, { text: 'select $1::int + 1 as next', values: [1], name: 'next' })).toMatchObject([
    { rows: [{ next: 2 }] },
  ])
})

test('a mode is switched while a client is connected: the recording has what was asked, and is played at once', async () => {
  const file = join(tempFolder(), 'users.jsonl')
  const one = await openFor(openPostgresDependency, settingFor('record', file))
  opened.push(one)
  const client = await connect(one)
  const recorded = await told(client, 'select name from users order by id')
  await network.cut('refuse')
  one.dependency.set(settingFor('replay', file))
  const played = await told(await connect(one), 'select name from users order by id')
  expect(played).toEqual(recorded)
  expect(one.dependency.health()).toMatchObject({ state: 'ready' })
})

test('ten thousand rows and a large value come through as they were, and what is too long says so', async () => {
  const { recorded, played } = await recordAndReplay(async (client) => [
    await told(client, "select n, repeat('x', n % 50) as x from generate_series(1, 10000) n"),
    await told(client, "select repeat('é', 1500000) as long"),
    await told(client, { text: 'select length($1) as n', values: ['y'.repeat(500_000)] }),
  ])
  expect(played).toEqual(recorded)
  const { played: cut } = await recordAndReplay((client) => told(client, "select repeat('x', 34000000) as long"))
  expect(cut).toMatchObject({ code: 'SH001', message: expect.stringContaining('not recorded') })
}, 60_000)

test('a client that sends what is none of the protocol ends its own connection and no other', async () => {
  const { file } = await recordAndReplay((client) => told(client, 'select 1 as one'))
  const replay = await open('replay', file)
  const client = await connect(replay)
  const socket = dialTcp(replay.dependency.port, '127.0.0.1').on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise((resolve) => socket.once('close', resolve).resume())
  expect(await told(client, 'select 1 as one')).toMatchObject([{ rows: [{ one: 1 }] }])
})

/** A raw session: each group of messages ends with one that makes the server ready; what came for it, message by message. */
const speak = async ({ dependency }: Opened, groups: Buffer[][]): Promise<string[][]> => {
  const socket = dialTcp(dependency.port, '127.0.0.1').on('error', () => undefined)
  let bytes = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])))
  const untilReady = async (): Promise<string[]> => {
    await until(() => messagesOf(bytes).at(-1)?.startsWith('Z'), 'the server is ready')
    const said = messagesOf(bytes)
    bytes = Buffer.alloc(0)
    return said
  }
  socket.write(startup({ user: 'raw' }))
  await untilReady()
  const answers: string[][] = []
  for (const group of groups) {
    socket.write(Buffer.concat(group))
    answers.push(await untilReady())
  }
  socket.end(message('X'))
  return answers
}
/** Type and body of each; columns without the table that they are of, errors without the server's source. */
const messagesOf = (bytes: Buffer): string[] => {
  const messages: string[] = []
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    if (end > bytes.length) return []
    const type = String.fromCharCode(bytes[at]!)
    const body = bytes.subarray(at + 5, end)
    if (type === 'T') messages.push(`T ${JSON.stringify(readColumns(body))}`)
    else if (type === 'E') messages.push(`E ${[...readErrorFields(body)].filter(([field]) => !'FLR'.includes(field)).join(' ')}`)
    else messages.push(`${type} ${body.toString('latin1')}`)
    at = end
  }
  return messages
}

test('drivers that describe a statement first, send several at once, or read in parts are answered as by the server', async () => {
  const parse = (name: string, sql: string, ...types: number[]): Buffer =>
    message('P', `${name}\0${sql}\0`, Buffer.from([0, types.length]), ...types.map(int32))
  const bind = (name: string, value: string, results: number[] = []): Buffer =>
    message(
      'B',
      `\0${name}\0`,
      Buffer.from([0, 0, 0, 1]),
      int32(value.length),
      value,
      Buffer.from([0, results.length, ...results.flatMap((code) => [0, code])]),
    )
  const describe = (kind: 'S' | 'P', name = ''): Buffer => message('D', `${kind}${name}\0`)
  const execute = (limit = 0): Buffer => message('E', '\0', int32(limit))
  const sync = message('S')
  const BY_ID = 'select id, name, born from users where id >= $1 order by id'
  const groups = [
    [parse('one', BY_ID, 23), describe('S', 'one'), sync],
    [bind('one', '1'), execute(), sync],
    [bind('one', '2', [1]), execute(), sync],
    [bind('one', '1', [1, 0, 0]), describe('P'), execute(), sync],
    [bind('one', '1'), execute(), bind('one', '2'), execute(), sync],
    [bind('one', 'x'), execute(), bind('one', '1'), execute(), sync],
    [parse('', 'select * from nowhere where id = $1'), describe('S'), sync],
    [parse('', 'select * from nowhere where id = $1'), sync],
    [parse('', 'begin'), message('B', '\0\0', Buffer.alloc(6)), execute(), sync],
    [bind('one', '1'), message('H'), execute(), sync],
    [message('Q', 'commit\0')],
    [message('C', 'Sone\0'), sync],
    [bind('one', '1'), execute(), sync],
  ]
  const file = join(tempFolder(), 'users.jsonl')
  const recording = await open('record', file)
  const recorded = await speak(recording, groups)
  await close(recording)
  await network.cut('refuse')
  const replay = await open('replay', file)
  const played = await speak(replay, groups)
  // What fails as it is bound fails as it is run.
  expect(played[5]!.shift()).toBe('2 ')
  expect(played).toEqual(recorded)
  // In parts, as whole as it was recorded.
  const [, parts] = await speak(replay, [groups[0]!, [bind('one', '1'), execute(1), execute(1), execute(1), sync]])
  expect(parts!.map((said) => said.slice(0, 1))).toEqual([...'2DsDsCZ'])
  expect(parts!.at(-2)).toBe('C SELECT 0\0')
})

test('a result that the driver reads in parts is left out, and never taken for a whole one', async () => {
  const rows = 'select n from generate_series(1, 3) n where n >= $1'
  const ask = (limit: number): Buffer[] => [
    message('P', `\0${rows}\0`, Buffer.from([0, 1]), int32(23)),
    message('B', '\0\0', Buffer.from([0, 0, 0, 1]), int32(1), '1', Buffer.from([0, 0])),
    message('D', 'P\0'),
    ...Array.from({ length: limit > 0 ? 4 : 1 }, () => message('E', '\0', int32(limit))),
    message('S'),
  ]
  const file = join(tempFolder(), 'users.jsonl')
  const recording = await open('record', file)
  const [parts] = await speak(recording, [ask(1)])
  expect(parts!.filter((said) => said.startsWith('D'))).toHaveLength(3)
  await close(recording)
  await network.cut('refuse')
  const [answer] = await speak(await open('replay', file), [ask(0)])
  expect(answer!.join('\n')).toContain('a result that is read in parts is not recorded')
  expect(answer!.filter((said) => said.startsWith('D'))).toEqual([])
})

test('what leads out of read-only is refused before anything is asked of the server, and never done there later', async () => {
  const file = join(tempFolder(), 'users.jsonl')
  const writable = await open('record', file, { access: READ_WRITE })
  const recorder = await connect(writable)
  for (const sql of [
    'begin read write',
    'commit',
    'set transaction_read_only = off',
    'begin; set transaction read write; commit',
  ])
    expect(await told(recorder, sql), `${sql} was to be recorded`).not.toMatchObject({ code: expect.any(String) })
  await close(writable)

  const both = await open('replay', file, { recordMissing: true })
  const client = await connect(both)
  for (const sql of ['begin read write', 'start transaction read write', 'set transaction_read_only = off']) {
    expect(await told(client, sql), `${sql} was answered`).toMatchObject({ code: '25006' })
    expect(both.events.at(-1)).toMatchObject({ servedBy: 'guard' })
  }
  await client.query('begin')
  const mode = "select current_setting('transaction_read_only') as mode, 'new' as here"
  expect(await told(client, mode), 'the session at the server left read-only').toMatchObject([{ rows: [{ mode: 'on' }] }])
  await client.query('rollback')
  expect(await told(client, 'begin; set transaction read write; commit')).toMatchObject({ code: '25006' })
})

test('what was said in one message with a write is not done again when the session at the server is opened', async () => {
  const file = join(tempFolder(), 'users.jsonl')
  await asOwner(server.port, 'create table if not exists tally (n int)')
  const counted = async (): Promise<unknown> => (await asOwner(server.port, 'select count(*)::int as n from tally')).rows
  const writing = "set time zone 'UTC'; insert into tally values (1)"
  const first = await open('record', file, { access: READ_WRITE })
  await told(await connect(first), writing)
  await close(first)
  expect(await counted()).toEqual([{ n: 1 }])

  const both = await open('replay', file, { access: READ_WRITE, recordMissing: true })
  const client = await connect(both)
  expect(await told(client, writing)).toMatchObject([{ command: 'SET' }, { command: 'INSERT' }])
  expect(both.events.at(-1)).toMatchObject({ servedBy: 'recording' })
  await told(client, 'select 4711 as missing')
  expect(both.events.at(-1)).toMatchObject({ servedBy: 'upstream' })
  expect(await counted(), 'a recorded write was done again').toEqual([{ n: 1 }])
})
