import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { CommandFrame, CommandRequest } from '../../../../src/drivers/dependency/recording/command-exchange.ts'
import { linesFile, openCommands } from '../../../../src/drivers/dependency/recording/commands.ts'
import { checkRecording, mergeRecordings } from '../../../../src/drivers/dependency/recording/maintain.ts'
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
