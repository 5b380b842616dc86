import { Ajv } from 'ajv'
import { execa } from 'execa'
import fc from 'fast-check'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { mergeRecordings } from '../../../../src/drivers/dependency/recording/maintain.ts'
import { openExchange } from '../../../../src/drivers/dependency/recording/open-exchange.ts'
import { anyExchange } from './arbitrary.ts'
import { harSchema } from './har-schema.ts'
import { contentsOf, header, played, record, replay, requestHead, settingOf, tempFolder, type Traffic } from './traffic.ts'

const DECODE = { gzip: gunzipSync, br: brotliDecompressSync, deflate: inflateSync }
const validate = new Ajv({ strict: false }).compile(harSchema)
const isHar = (file: string): true => {
  if (!validate(JSON.parse(readFileSync(file, 'utf8')))) throw new Error(JSON.stringify(validate.errors, null, 1))
  return true
}
const traffic = (...targets: string[]): Traffic[] =>
  targets.map((target) => ({ target, answer: { headers: ['Content-Type', 'application/json'], body: `{"of":"${target}"}` } }))

test('any exchange is played as it was recorded, and the file is a HAR', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyExchange, { minLength: 1, maxLength: 5, selector: ({ target }) => target.split('?')[0] }),
      async (list) => {
        const file = join(tempFolder(), 'a.har')
        await record(file, list)
        expect(isHar(file)).toBe(true)
        const accepted = list.map((one) => ({
          ...one,
          headers: [...(one.headers ?? []), 'Accept-Encoding', 'gzip, br, deflate'],
        }))
        const answers = (await replay(file, accepted)).map(played)
        answers.forEach((answer, at) => {
          const { status, statusText, headers = [], body, trailers } = list[at]!.answer
          const coding = header(headers, 'content-encoding') as keyof typeof DECODE | undefined
          const plain = (bytes: Buffer): Buffer => (coding === undefined || bytes.length === 0 ? bytes : DECODE[coding](bytes))
          expect({ ...answer, headers: withoutLength(answer.headers), body: plain(answer.body).toString('latin1') }).toEqual({
            status,
            statusText,
            headers: [...withoutLength(headers), 'shiv-served-by', 'recording'],
            body: plain(body as Buffer).toString('latin1'),
            trailers,
          })
          expect(header(answer.headers, 'content-length')).toBe(String(answer.body.length))
        })
      },
    ),
    { numRuns: 100 },
  )
}, 120_000)

test('equal traffic gives an equal file: at another time, in other chunks, with other trace ids, in another order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyExchange, { minLength: 1, maxLength: 5, selector: ({ target }) => target.split('?')[0] }),
      async (list) => {
        const folder = tempFolder()
        const noisy = (id: string, date: string): Traffic[] =>
          list.map((one) => ({
            ...one,
            headers: ['Host', `billing:${id}`, 'traceparent', id, ...(one.headers ?? []), 'X-Request-Id', id],
            answer: { ...one.answer, headers: ['Date', date, ...(one.answer.headers ?? []), 'x-request-id', id] },
          }))
        await record(join(folder, 'a.har'), noisy('1', 'Mon, 05 Jan 2015 10:00:00 GMT'), {}, 1000)
        await record(join(folder, 'b.har'), noisy('2', 'Tue, 06 Jan 2015 11:00:00 GMT').toReversed(), {}, 7)
        expect(readFileSync(join(folder, 'b.har'), 'utf8')).toBe(readFileSync(join(folder, 'a.har'), 'utf8'))
        const { mtimeMs, ino } = statSync(join(folder, 'a.har'))
        await record(join(folder, 'a.har'), noisy('3', 'Wed, 07 Jan 2015 12:00:00 GMT'))
        expect(statSync(join(folder, 'a.har'))).toMatchObject({ mtimeMs, ino })
      },
    ),
    { numRuns: 50 },
  )
}, 120_000)

test('recording again replaces the answers to what is asked again, and keeps the rest', async () => {
  const file = join(tempFolder(), 'a.har')
  await record(file, [...traffic('/a', '/b'), { target: '/a', answer: { body: 'second' } }])
  await record(file, [{ target: '/a', answer: { body: 'new' } }])
  const answers = (await replay(file, [{ target: '/a' }, { target: '/b' }], { order: 'ordered' })).map(played)
  expect(answers.map((answer) => answer.body.toString())).toEqual(['new', '{"of":"/b"}'])
  expect(readFileSync(file, 'utf8')).not.toContain('second')
})

test('a body that nothing names any more is removed; a file of somebody else is not', async () => {
  const file = join(tempFolder(), 'a.har')
  await record(file, [{ target: '/a', answer: { headers: ['Content-Type', 'text/plain'], body: 'line\n'.repeat(300_000) } }])
  writeFileSync(join(`${file}.bodies`, 'README'), 'mine')
  await record(file, [{ target: '/a', answer: { body: 'short' } }])
  expect(contentsOf(`${file}.bodies`).map(({ path }) => path)).toEqual([join(`${file}.bodies`, 'README')])
})

test('one file whose two writers share it', async () => {
  const file = join(tempFolder(), 'a.har')
  const first = await openExchange(settingOf(file, 'record'))
  const second = await openExchange(settingOf(file, 'record'))
  for (const [exchange, target] of [
    [first, '/first'],
    [second, '/second'],
  ] as const) {
    const capture = exchange.recorder!.begin(requestHead({ target }))
    capture.requestEnd([])
    capture.responseHead({ status: 200, statusText: 'OK', headers: [] })
    capture.end([])
  }
  await first.close()
  expect(existsSync(file)).toBe(false)
  await second.close()
  expect((await replay(file, [{ target: '/first' }, { target: '/second' }])).map((answer) => played(answer).status)).toEqual([
    200, 200,
  ])
})

test('merging does not depend on the order, adds nothing to itself, and loses nothing', async () => {
  const part = fc.array(anyExchange, { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(part, part, fc.constantFrom('any', 'ordered'), async (one, two, order) => {
      const folder = tempFolder()
      const at = (name: string): string => join(folder, `${name}.har`)
      const textOf = (name: string): string => readFileSync(at(name), 'utf8')
      await record(at('a'), [...one, ...traffic('/both'), { target: '/both', answer: { body: 'mine' } }], { order })
      await record(at('b'), [...two, ...traffic('/both'), { target: '/both', answer: { body: 'other' } }], { order })
      await mergeRecordings([at('a'), at('b')], at('ab'))
      await mergeRecordings([at('b'), at('a')], at('ba'))
      await mergeRecordings([at('ab'), at('a'), at('ab')], at('again'))
      expect(textOf('ba')).toBe(textOf('ab'))
      expect(textOf('again')).toBe(textOf('ab'))
      expect(isHar(at('ab'))).toBe(true)
      const answers = await replay(at('ab'), [...one, ...two])
      expect(answers.filter((answer) => !('status' in answer))).toEqual([])
    }),
    { numRuns: 50 },
  )
}, 120_000)

test('merging brings the bodies along', async () => {
  const [one, two] = [join(tempFolder(), 'a.har'), join(tempFolder(), 'b.har')]
  const large = 'large\n'.repeat(300_000)
  await record(one, [{ target: '/a', answer: { headers: ['Content-Type', 'text/plain'], body: large } }])
  await record(two, traffic('/b'))
  await mergeRecordings([one, two], two)
  expect(played((await replay(two, [{ target: '/a' }]))[0]).body.length).toBe(large.length)
})

test('a recording that grows by an entry changes no line of the others', async () => {
  const file = join(tempFolder(), 'a.har')
  await record(file, traffic('/b'))
  const block = /^ {6}\{\n[\s\S]*^ {6}\}\n/m.exec(readFileSync(file, 'utf8'))![0]
  await record(file, traffic('/a', '/c'))
  expect(readFileSync(file, 'utf8')).toContain(block)
})

test('git merges what two people recorded, and what it leaves is a recording', async () => {
  const folder = tempFolder()
  const git = (...args: string[]) =>
    execa('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'init.defaultBranch=main', ...args], {
      cwd: folder,
    })
  const file = join(folder, 'recordings', 'billing.har')
  mkdirSync(join(folder, 'recordings'))
  await git('init', '-q')
  await record(file, traffic('/b', '/d', '/f', '/h'))
  await git('add', '-A')
  await git('commit', '-qm', 'base')
  await git('checkout', '-qb', 'theirs')
  await record(file, traffic('/a', '/e'))
  await git('commit', '-qam', 'theirs')
  await git('checkout', '-q', 'main')
  await record(file, [...traffic('/c', '/i'), { target: '/h', answer: { body: 'changed' } }])
  await git('commit', '-qam', 'ours')
  await git('merge', '-q', 'theirs', '-m', 'merged')
  const targets = ['/a', '/b', '/c', '/d', '/e', '/f', '/h', '/i']
  const answers = (
    await replay(
      file,
      targets.map((target) => ({ target })),
    )
  ).map(played)
  expect(answers.map((answer) => answer.body.toString())).toEqual(
    targets.map((target) => (target === '/h' ? 'changed' : `{"of":"${target}"}`)),
  )
})

function withoutLength(headers: readonly string[]): string[] {
  return headers.filter((_, at) => headers[at - (at % 2)] !== 'Content-Length')
}
