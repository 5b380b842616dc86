import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { CommandFrame, CommandRequest } from '../../../../src/drivers/dependency/recording/command-exchange.ts'
import { linesFile, openCommands } from '../../../../src/drivers/dependency/recording/commands.ts'
import { checkRecording, mergeRecordings } from '../../../../src/drivers/dependency/recording/maintain.ts'
import { isSecretName } from '../../../../src/drivers/dependency/recording/secret-names.ts'
import { contentsOf, settingOf, tempFolder, type RuleChoice } from './traffic.ts'

const value = (text: string | null, name?: string) => ({
  value: text === null ? null : Buffer.from(text),
  ...(name !== undefined && { name }),
})
const select = (statement: string, ...parameters: string[]): CommandRequest => ({
  protocol: 'postgres',
  command: statement,
  parameters: parameters.map((parameter) => value(parameter)),
})
const rows = (...texts: string[]): CommandFrame[] => texts.map((text) => ({ kind: 'DataRow', values: [value(text)] }))

async function record(file: string, list: [CommandRequest, CommandFrame[]][], rules: RuleChoice = {}): Promise<void> {
  const exchange = await openCommands(settingOf(file, 'record', rules, { protocol: 'postgres' }))
  for (const [request, response] of list) exchange.recorder!.record(request, response)
  await exchange.close()
}

async function ask(file: string, requests: CommandRequest[], rules: RuleChoice = {}) {
  const exchange = await openCommands(settingOf(file, 'replay', rules, { protocol: 'postgres' }))
  const answers = []
  for (const request of requests) answers.push(await exchange.player!.answer(request))
  await exchange.close()
  return answers
}

const textsOf = (answer: Awaited<ReturnType<typeof ask>>[number]): (string | undefined)[] => {
  if ('unmatched' in answer) throw new Error(JSON.stringify(answer))
  return answer.matched.flatMap(({ values }) => values.map(({ value }) => value?.toString()))
}

test('any exchange is played as it was recorded, byte for byte, one line each, the same file again and in another order', async () => {
  const bytes = fc.option(
    fc.uint8Array({ maxLength: 30 }).map((list) => Buffer.from(list)),
    { nil: null },
  )
  const frame = fc.record({
    kind: fc.constantFrom('DataRow', 'bulk'),
    values: fc.array(fc.record({ value: bytes }), { maxLength: 3 }),
  })
  const request = fc.record({
    protocol: fc.constantFrom('postgres', 'redis'),
    command: fc.string(),
    parameters: fc.array(fc.record({ value: bytes }), { maxLength: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.tuple(request, fc.array(frame, { maxLength: 3 })), {
        selector: ([{ command }]) => command,
        minLength: 1,
        maxLength: 5,
      }),
      async (list) => {
        const file = join(tempFolder(), 'a.har')
        await record(file, list)
        for (const [at, answer] of (
          await ask(
            file,
            list.map(([request]) => request),
          )
        ).entries()) {
          expect(answer).toEqual({ matched: list[at]![1] })
        }
        const text = readFileSync(linesFile(file), 'utf8')
        expect(text.split('\n')).toHaveLength(list.length + 1)
        expect(await checkRecording(linesFile(file))).toEqual([])
        await record(file, list.toReversed())
        expect(readFileSync(linesFile(file), 'utf8')).toBe(text)
      },
    ),
    { numRuns: 100 },
  )
}, 60_000)

test('a line says what was asked, never with which values', async () => {
  const file = join(tempFolder(), 'users.har')
  await record(file, [[select('SELECT name FROM users WHERE id = $1', '4711'), rows('ann')]])
  const text = readFileSync(join(file, '..', 'users.jsonl'), 'utf8')
  expect(text).toMatch(
    /^\{"protocol":"postgres","command":"SELECT name FROM users WHERE id = \$1","parameters":\{"count":1,"hash":"sha256:[0-9a-f]{64}"\},"response":\[\{"kind":"DataRow","values":\["ann"\]\}\]\}\n$/,
  )
  expect(text).not.toContain('4711')
})

test('secrets of statements, parameters, rows and replies are in no file', async () => {
  const folder = tempFolder()
  const secret = 'q7Secret4711value'
  const row = (name: string, value: Buffer): CommandFrame[] => [{ kind: 'DataRow', values: [{ name, value }] }]
  await record(
    join(folder, 'a.har'),
    [
      [select(`SELECT 1 WHERE password = '${secret}'`), rows('1')],
      [select(`ALTER ROLE app PASSWORD '${secret}'`), rows('1')],
      [select('SELECT 2 WHERE api_token = $1', secret), row('api_token', Buffer.from(secret))],
      [select('INSERT INTO k (id, "secret") VALUES ($1, $2)', '1', secret), row('password', Buffer.from([1, 0, 2]))],
      [{ protocol: 'redis', command: 'AUTH', parameters: [value('default'), value(secret)] }, rows('OK')],
      [{ protocol: 'redis', command: 'GET', parameters: [value('a')] }, rows(`{"refresh_token":"${secret}"}`)],
      [{ protocol: 'redis', command: 'GET', parameters: [value('b')] }, row('x', Buffer.from(`\0token=${secret}\0`))],
      [{ protocol: 'redis', command: 'GET', parameters: [value('c')] }, rows(`it is ${secret}`)],
      [
        select('SELECT pin, iban FROM t'),
        [
          {
            kind: 'DataRow',
            values: [
              { name: 'pin', value: Buffer.from('4711') },
              { name: 'iban', value: Buffer.from('q7Iban0815value') },
            ],
          },
        ],
      ],
    ],
    { redact: { body: ['$.iban'] } },
  )
  for (const { path, bytes } of contentsOf(folder)) {
    const text = bytes.toString('latin1')
    const plain = [...text.matchAll(/"base64":"([^"]+)"/g)].map(([, run = '']) => Buffer.from(run, 'base64').toString('latin1'))
    for (const form of [secret, 'q7Iban', '4711'])
      for (const seen of [text, ...plain]) expect(seen.includes(form), `${form} in ${path}`).toBe(false)
  }
  const answers = await ask(
    join(folder, 'a.har'),
    [
      select(`SELECT 1 WHERE password = 'another one'`),
      select('SELECT 2 WHERE api_token = $1', 'another'),
      { protocol: 'redis', command: 'AUTH', parameters: [value('default'), value('another')] },
      select('SELECT pin, iban FROM t'),
    ],
    { redact: { body: ['$.iban'] } },
  )
  expect(answers.map(textsOf)).toEqual([['1'], ['REDACTED-1'], ['OK'], ['0', 'REDACTED-2']])
})

test('ordered, any, and what is not recorded', async () => {
  const file = join(tempFolder(), 'a.jsonl')
  const count = select('SELECT count(*) FROM orders WHERE state = $1', 'new')
  await record(
    file,
    [
      [count, rows('0')],
      [count, rows('0')],
      [count, rows('1')],
    ],
    { order: 'ordered' },
  )
  expect((await ask(file, [count, count, count, count], { order: 'ordered' })).map(textsOf)).toEqual([['0'], ['0'], ['1'], ['1']])
  expect((await ask(file, [count])).map(textsOf)).toEqual([['1']])
  const [values, statement] = await ask(file, [select(count.command, 'paid'), select('SELECT max(id) FROM orders')])
  expect(values).toMatchObject({
    unmatched: {
      message: `No recorded ${count.command} has these parameters.`,
      difference: ['parameters: other values than any that are recorded'],
    },
  })
  expect(statement).toMatchObject({
    unmatched: { message: 'No recorded command is SELECT max(id) FROM orders.', nearest: count.command },
  })
})

test('lines of two recordings are merged whatever their order', async () => {
  const folder = tempFolder()
  const at = (name: string): string => join(folder, `${name}.jsonl`)
  await record(at('a'), [
    [select('SELECT 1'), rows('a')],
    [select('SELECT 2'), rows('b')],
  ])
  await record(at('b'), [
    [select('SELECT 2'), rows('c')],
    [select('SELECT 3'), rows('d')],
  ])
  await mergeRecordings([at('a'), at('b')], at('ab'))
  await mergeRecordings([at('b'), at('a'), at('b')], at('ba'))
  expect(readFileSync(at('ba'), 'utf8')).toBe(readFileSync(at('ab'), 'utf8'))
  expect(readFileSync(at('ab'), 'utf8').split('\n')).toHaveLength(5)
})

test('of a statement that names a secret column no string literal is written, and it is found again by another value', async () => {
  const file = join(tempFolder(), 'a.har')
  const statements = (secret: string): string[] => [
    `insert into users (email, password) values ('ä@b.example', '${secret}')`,
    `select 1 from users where token in ('${secret}', 'other')`,
    `select 2 from users where token like '${secret}%'`,
    `select 3 from users where password = crypt('${secret}', password)`,
    `select 4 from users where "refresh_token" = E'${secret}\\'s'`,
    `select 5 from users u where u.api_key_hash = $x$ ${secret} $x$`,
    `select 6 from users where token = '${secret}`,
  ]
  const plain = select(`select id from auth.users where name = 'grace hopper'`)
  const list = [...statements('q7Hunter2').map((text) => select(text)), plain]
  await record(
    file,
    list.map((request, at): [CommandRequest, CommandFrame[]] => [request, rows(String(at), 'ä@b.example')]),
  )
  const text = readFileSync(linesFile(file), 'utf8')
  for (const secret of ['q7Hunter2', "'other'", "'ä@b"]) expect(text, `${secret} is in the file`).not.toContain(secret)
  expect(text).toContain("(email, password) values ('REDACTED-")
  expect(text, 'a literal beside no secret was hidden').toContain("name = 'grace hopper'")
  expect(text, 'a value that is no secret was hidden elsewhere').toContain('"ä@b.example"')
  const answers = await ask(file, [...statements('another1').map((one) => select(one)), plain])
  expect(answers.map((answer) => textsOf(answer)[0])).toEqual(list.map((_, at) => String(at)))
})

test('what is made of a password is as secret as it is: by the name of its column, and by its form', async () => {
  const hidden =
    'password_hash password_digest passwd_hash pwd_hash refresh_token_hash api_key_hash reset_token_digest salt recovery_codes'
  for (const name of hidden.split(' ')) expect(isSecretName(name), name).toBe(true)
  for (const name of ['hash', 'digest', 'codes', 'commit_hash', 'zip_code', 'next_page_token'])
    expect(isSecretName(name), name).toBe(false)
  const forms = [
    '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW',
    '$2y$10$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW',
    '$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG',
    '$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBs',
    '$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk',
    'pbkdf2_sha256$600000$saltsalt$RdescudvJCsgt3ub+b4dWRWJTmaaJObG=',
    '$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/',
    '$5$saltsalt$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8',
    '$6$saltsalt$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJu',
  ]
  const file = join(tempFolder(), 'a.har')
  await record(file, [
    [select('select x from y where a = $1 and b = $2'), forms.map((form) => ({ kind: 'DataRow', values: [value(form, 'x')] }))],
  ])
  const text = readFileSync(linesFile(file), 'utf8')
  for (const form of forms) expect(text, form).not.toContain(form.slice(-12))
  expect(text).toContain('a = $1 and b = $2')
})
