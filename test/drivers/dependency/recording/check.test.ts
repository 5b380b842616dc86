import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkRecording, mergeRecordings } from '../../../../src/drivers/dependency/recording/maintain.ts'
import { contentsOf, record, tempFolder } from './traffic.ts'

async function recorded(): Promise<{ file: string; text: string }> {
  const file = join(tempFolder(), 'a.har')
  await record(file, [
    {
      method: 'POST',
      target: '/a?token=q7Secret4711',
      headers: ['Cookie', 's=q7Secret4711'],
      body: 'plain',
      answer: { body: Buffer.from([0, 1, 2]) },
    },
    { target: '/b', answer: { headers: ['Content-Type', 'text/plain'], body: 'large\n'.repeat(200_000) } },
  ])
  return { file, text: readFileSync(file, 'utf8') }
}

test('a recording as it is written has no fault', async () => {
  expect(await checkRecording((await recorded()).file)).toEqual([])
})

test('all faults of a damaged recording are told at once, each with its line', async () => {
  const { file, text } = await recorded()
  const lines = text
    .replace('"method": "POST",', '"method": "two words",')
    .replace('"status": 200,', '"status": "200",')
    .replace('"value": "s=REDACTED-1"', '"value": 5')
    .split('\n')
  writeFileSync(file, lines.filter((line) => !line.includes('"url": "http://billing/b"')).join('\n'))
  const faults = await checkRecording(file)
  const damaged = readFileSync(file, 'utf8').split('\n')
  expect(faults.map(({ code, message, line }) => [code, message, damaged[line! - 1]!.trim()])).toEqual([
    ['RECORDING_BAD_FIELD', 'the recording.log.entries[0].request.method must be an HTTP method', '"method": "two words",'],
    [
      'RECORDING_BAD_FIELD',
      'the recording.log.entries[0].request.headers[0].value must be one line of Latin-1',
      '{ "name": "Cookie", "value": 5 }',
    ],
    ['RECORDING_BAD_FIELD', 'the recording.log.entries[0].response.status must be a whole number', '"status": "200",'],
    ['RECORDING_BAD_FIELD', 'the recording.log.entries[1].request has no "url"', '"request": {'],
  ])
})

test.each([
  ['a comma that is missing', (text: string) => text.replace('"time": 0,', '"time": 0'), 'RECORDING_NOT_JSON', /^"request"/],
  ['an end that is missing', (text: string) => text.slice(0, -20), 'RECORDING_NOT_JSON', /^$/],
  [
    'a conflict of git',
    (text: string) => text.replace('      {\n', '<<<<<<< HEAD\n      {\n'),
    'RECORDING_CONFLICT',
    /^<<<<<<< HEAD/,
  ],
  ['base64 that is none', (text: string) => text.replace('"text": "AAEC"', '"text": "AAE?"'), 'RECORDING_BAD_BASE64', /"AAE\?"/],
  [
    'a status that is none',
    (text: string) => text.replace('"status": 200,', '"status": 99,'),
    'RECORDING_BAD_FIELD',
    /"status": 99/,
  ],
  [
    'a value of two lines',
    (text: string) => text.replace('"value": "s=REDACTED-1"', '"value": "a\\r\\nX: 1"'),
    'RECORDING_BAD_FIELD',
    /X: 1/,
  ],
  [
    'a body outside',
    (text: string) => text.replace(/"_file": "[0-9a-f]{64}"/, '"_file": "../../etc/passwd"'),
    'RECORDING_BAD_FIELD',
    /_file/,
  ],
  ['a secret in a query', (text: string) => text.replace('token=REDACTED-1', 'token=q7Secret4711'), 'RECORDING_SECRET', /"url"/],
  ['a secret in a field', (text: string) => text.replace('"s=REDACTED-1"', '"s=q7Secret4711"'), 'RECORDING_SECRET', /"Cookie"/],
  [
    'a secret in a body',
    (text: string) => text.replace('"plain"', '"{\\"password\\":\\"q7Secret4711\\"}"'),
    'RECORDING_SECRET',
    /"text"/,
  ],
])('%s', async (_, damage, code, line) => {
  const { file, text } = await recorded()
  const damaged = damage(text)
  expect(damaged).not.toBe(text)
  writeFileSync(file, damaged)
  const [fault, ...more] = await checkRecording(file)
  expect(more).toEqual([])
  expect(fault).toMatchObject({ code, file })
  expect(damaged.split('\n')[fault!.line! - 1]!.trim()).toMatch(line)
  expect(fault!.hint).not.toBe('')
})

test('bodies that are missing or were changed', async () => {
  const { file } = await recorded()
  const [body] = contentsOf(`${file}.bodies`)
  writeFileSync(body!.path, 'changed')
  expect(await checkRecording(file)).toMatchObject([{ code: 'RECORDING_BODY_CHANGED' }])
  rmSync(body!.path)
  expect(await checkRecording(file)).toMatchObject([
    { code: 'RECORDING_BODY_MISSING', hint: `take it from git: git checkout -- ${body!.path}` },
  ])
})

test('JSON lines: every bad line', async () => {
  const file = join(tempFolder(), 'a.jsonl')
  const good = '{"protocol":"redis","command":"GET","response":[{"kind":"bulk","values":["a",null,{"base64":"AA=="}]}]}'
  writeFileSync(
    file,
    `${good}\n{"protocol":"redis"\n\n${good.replace('"GET"', '5')}\n${good.replace('AA==', 'A')}\n${good.replace('"a"', '"password=q7Secret4711"')}\n`,
  )
  const faults = await checkRecording(file)
  expect(faults.map(({ code, line }) => [code, line])).toEqual([
    ['RECORDING_BAD_LINE', 2],
    ['RECORDING_BAD_FIELD', 4],
    ['RECORDING_BAD_FIELD', 5],
  ])
  writeFileSync(file, `${good}\n${good.replace('"a"', '"password=q7Secret4711"')}\n`)
  expect(await checkRecording(file)).toMatchObject([{ code: 'RECORDING_SECRET', line: 2 }])
})

test('what cannot be checked or merged', async () => {
  const folder = tempFolder()
  const [har, lines] = [join(folder, 'a.har'), join(folder, 'b.jsonl')]
  await expect(checkRecording(har)).rejects.toMatchObject({ code: 'RECORDING_MISSING' })
  await expect(checkRecording(folder)).rejects.toMatchObject({ code: 'RECORDING_UNREADABLE' })
  await expect(mergeRecordings([har, lines], har)).rejects.toMatchObject({ code: 'RECORDING_KINDS_DIFFER' })
  writeFileSync(har, '{}')
  await expect(mergeRecordings([har], har)).rejects.toMatchObject({
    code: 'RECORDING_INVALID',
    faults: [{ message: 'the recording has no "log"' }],
  })
})
