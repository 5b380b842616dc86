import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FUNCTIONS_QUERY, readFunctions } from '../../../src/drivers/dependency/postgres/functions.ts'
import { lex } from '../../../src/drivers/dependency/postgres/lex.ts'
import { rulesOf } from '../../../src/drivers/dependency/postgres/judge.ts'
import { openPostgresDependency } from '../../../src/drivers/dependency/postgres/open-postgres.ts'
import { createSqlReader, type ReadSql } from '../../../src/drivers/dependency/postgres/read-sql.ts'
import { READ_ONLY } from '../../../src/drivers/dependency/postgres/session-parameters.ts'
import { fingerprint, SCHEMA } from './support/guarded-database.ts'
import { asOwner, OWNER, startPostgres, type TestServer } from './support/servers.ts'
import { holdForTests } from './support/opened.ts'
import { type Opened, openFor, settingOf } from './support/setting.ts'
import { READS, TRICKS } from './support/tricks.ts'

let server: TestServer
let read: ReadSql
let untouched: string
beforeAll(async () => {
  server = await startPostgres({ settings: ['max_prepared_transactions=2', 'wal_level=logical'] })
  await asOwner(server.port, SCHEMA)
  const { rows } = await asOwner(server.port, FUNCTIONS_QUERY)
  const named = (rows as { proname: string; bool_or: boolean }[]).map((row) => [row.proname, row.bool_or ? 't' : 'f'])
  read = createSqlReader(rulesOf(readFunctions(named), []))
  untouched = await fingerprint(server.port)
})
afterAll(() => server.end())

const { keep } = holdForTests()
const open = async (): Promise<Opened> => {
  const credentials = async () => ({ ...OWNER, database: 'postgres' })
  const one = await openFor(
    openPostgresDependency,
    settingOf('postgres', `postgres://127.0.0.1:${server.port}`, { upstream: { credentials } }),
  )
  keep(one)
  return one
}
/** Runs SQL in a session of its own; the SQLSTATE it failed with, or `passed`. What is left open is committed. */
const outcomeOf = async (config: pg.ClientConfig, sql: string, prepared = false): Promise<string> => {
  const client = new pg.Client({ host: '127.0.0.1', database: 'postgres', ...config })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(prepared ? { text: sql, values: [] as unknown[], name: 'trick' } : sql)
    return 'passed'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  } finally {
    await client.query('commit').catch(() => undefined)
    await client.end().catch(() => undefined)
  }
}
const latin1 = (sql: string): string => Buffer.from(sql).toString('latin1')
/** COPY to the client is nothing that this client understands; a session that is told of it by hand is. */
const isCopy = (sql: string): boolean => /^copy/i.test(sql)

test(`none of ${TRICKS.length} tricks writes through the guard, by simple and by prepared queries`, async () => {
  const { dependency, events } = await open()
  for (const { sql } of TRICKS) {
    expect(await outcomeOf({ port: dependency.port, user: 'x', password: 'x' }, sql), sql).toBe('25006')
    expect(await outcomeOf({ port: dependency.port, user: 'x', password: 'x' }, sql, true), `prepared: ${sql}`).toBe('25006')
  }
  expect(await fingerprint(server.port)).toBe(untouched)
  expect(events.filter(({ outcome, servedBy }) => outcome === 'refused' && servedBy === 'guard')).toHaveLength(TRICKS.length * 2)
}, 120_000)

test('reads pass', async () => {
  const { dependency } = await open()
  for (const sql of READS) {
    expect(read(latin1(sql), false).refusal, sql).toBeUndefined()
    if (!isCopy(sql)) expect(await outcomeOf({ port: dependency.port, user: 'x', password: 'x' }, sql), sql).toBe('passed')
  }
  expect(await fingerprint(server.port)).toBe(untouched)
})

describe('each layer holds by itself', () => {
  test('the parser, which refuses every trick', () => {
    for (const { sql } of TRICKS) expect(read(latin1(sql), false).refusal, sql).toBeDefined()
  })

  test('the mode of the session, in which Postgres itself refuses what a transaction could write', async () => {
    const options = Object.entries(READ_ONLY)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' ')
    for (const { sql } of TRICKS.filter(({ byMode }) => byMode)) {
      expect(await outcomeOf({ port: server.port, ...OWNER, options }, sql), sql).not.toBe('passed')
      expect(await fingerprint(server.port), sql).toBe(untouched)
    }
  }, 60_000)

  test('the parser: what it passes changes nothing in a session that may write (property)', async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      ...OWNER,
      database: 'postgres',
      statement_timeout: 2_000,
    })
    client.on('error', () => undefined)
    await client.connect()
    const counts = { passed: 0, executed: 0, refused: 0 }
    const run = async (sql: string): Promise<void> => {
      await client.query(sql).then(
        () => (counts.executed += 1),
        () => undefined,
      )
      await client.query('commit').catch(() => undefined)
      await client.query('discard all')
    }
    const state = async (): Promise<string> =>
      JSON.stringify(
        (await client.query('select (select count(*) from users), (select last_value || is_called::text from s) as s')).rows,
      )
    const before = await state()
    await fc.assert(
      fc.asyncProperty(attack, async (sql) => {
        if (/\0/.test(sql) || isCopy(sql.trim())) return
        if (read(latin1(sql), false).refusal !== undefined) return void (counts.refused += 1)
        counts.passed += 1
        await run(sql)
        expect(await state(), sql).toBe(before)
      }),
      { numRuns: 3_000 },
    )
    expect(counts.passed, 'some attacks look like reads').toBeGreaterThan(100)
    expect(counts.executed, 'some of those are valid').toBeGreaterThan(20)

    // The same attacks are attacks: without the parser many of them write.
    let written = 0
    let last = before
    for (const sql of fc.sample(attack, 600)) {
      if (/\0/.test(sql) || isCopy(sql.trim()) || read(latin1(sql), false).refusal === undefined) continue
      await run(sql)
      const now = await state()
      if (now !== last) written += 1
      last = now
    }
    await client.end()
    expect(written, 'refused attacks that would have written').toBeGreaterThan(20)
    await asOwner(
      server.port,
      `delete from users where id > 3; alter sequence s restart; alter sequence users_id_seq restart with 4`,
    )
    untouched = await fingerprint(server.port)
  }, 180_000)
})

/** SQL that tries to hide a write behind quotes, comments, escapes and glued tokens. */
const payload = fc.constantFrom(
  `insert into users (name) values ($$w$$)`,
  `insert into users (name) values (E'w')`,
  `select nextval($q$s$q$)`,
  `select nextval('s')`,
  `select (('s')::regclass).nextval`,
  `select "nextval"('s')`,
  `delete from users where id > 3`,
  `with w as (insert into users (name) values ('w') returning 1) select * from w`,
)
const noise = fc.constantFrom(
  "'",
  "''",
  "E'",
  "e'",
  "U&'",
  "\\'",
  '\\',
  '"',
  '""',
  'U&"',
  '$$',
  '$a$',
  '$b$',
  '$1',
  '/*',
  '*/',
  '/*/',
  '--',
  '\n',
  '\r',
  ' ',
  ';',
  '(',
  ')',
  'select 1',
  'select ',
  ' as ',
  ' as x',
  'explain ',
  'analyze ',
  "n'",
  "b'",
  '1',
  '1e',
  '.5',
  '+',
  '@',
  '-',
  '/',
  '*',
  '::text',
  'é',
  ' $',
  'x$',
  ',',
)
const balanced = fc.constantFrom(
  "'a'",
  "E'\\''",
  "E'a'\n'b\\''",
  `'\\'`,
  `$$'$$`,
  `$a$ $$ $a$`,
  '/* /* */ */',
  "-- '\n",
  `as "'"`,
  "U&'\\0027'",
  "/*'*/",
  "E'\\\\'",
  "''''",
  '1 as a$$',
  "'a' -- b\n'c'",
)
const attack = fc.oneof(
  fc
    .tuple(fc.array(fc.oneof(noise, balanced), { maxLength: 6 }), payload, fc.array(noise, { maxLength: 5 }))
    .map(([before, core, after]) => `select ${before.join('')};${core};${after.join('')}`),
  fc
    .tuple(
      balanced,
      fc.array(noise, { maxLength: 3 }),
      payload,
      fc.constantFrom('', '--', "--'", '/*', '$$', "'", '--$$', '--*/'),
    )
    .map(([first, middle, core, last]) => `select ${first}${middle.join('')};${core};${last}`),
  fc.tuple(fc.array(fc.oneof(noise, balanced, payload), { minLength: 1, maxLength: 8 })).map(([parts]) => parts.join('')),
  fc
    .tuple(
      fc.constantFrom('explain ', 'explain analyze ', 'explain (analyze) ', 'prepare p as ', 'declare c cursor for ', '(', ''),
      payload,
    )
    .map((parts) => parts.join('')),
)

test('a dividing line of any length behind a string is a comment, read at once', () => {
  const sql = `select E'\\n' ${'-'.repeat(50_000)}\n, 1`
  expect(lex(sql).map(({ kind }) => kind)).toEqual(lex(`select E'\\n', 1`).map(({ kind }) => kind))
})
