import { build } from 'esbuild'
import { execa } from 'execa'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openExchange } from '../../../../src/drivers/dependency/recording/open-exchange.ts'
import { contentsOf, played, record, replay, settingOf, tempFolder } from './traffic.ts'

/** Records one exchange after the other until it is killed; says each that has an answer on disk for certain. */
const WRITER = `
import { openExchange } from './recorder.mjs'
const setting = JSON.parse(process.argv[2])
const exchange = await openExchange(setting)
for (let n = 0; ; n++) {
  const head = { protocol: 'http', httpVersion: '1.1', method: 'GET', target: '/n/' + n, headers: ['X-Api-Key', 'q7Secret4711-' + n], time: 0 }
  const capture = exchange.recorder.begin(head)
  capture.requestEnd([])
  capture.responseHead({ status: 200, statusText: 'OK', headers: ['Content-Type', n % 10 === 0 ? 'image/png' : 'text/plain'] })
  await capture.responseData(Buffer.alloc(n % 10 === 0 ? 1_500_000 : 30_000, 'text ' + n + ' '))
  capture.end([])
  if (n % 5 === 4) await new Promise((resolve) => setTimeout(resolve, 1))
}
`

/** Starts a process that records until it is killed. */
async function startWriter(folder: string, file: string) {
  await build({
    stdin: {
      contents: `export { openExchange } from './src/drivers/dependency/recording/open-exchange.ts'`,
      resolveDir: process.cwd(),
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(folder, 'recorder.mjs'),
    logLevel: 'error',
  })
  writeFileSync(join(folder, 'writer.mjs'), WRITER)
  const child = execa('node', [join(folder, 'writer.mjs'), JSON.stringify(settingOf(file, 'record'))], { reject: false })
  return { pid: child.pid, ended: child.then(({ signal }) => signal), kill: () => child.kill('SIGKILL') }
}

/** Starts one, and kills it in the middle. */
async function killedWhileRecording(folder: string, file: string, killWhen: (journal: string) => boolean): Promise<void> {
  const child = await startWriter(folder, file)
  await expect
    .poll(() => existsSync(`${file}.journal`) && killWhen(readFileSync(`${file}.journal`, 'utf8')), {
      timeout: 60_000,
      interval: 1,
    })
    .toBe(true)
  child.kill()
  expect(await child.ended).toBe('SIGKILL')
}

test('kill -9 in the middle of a recording: all that was complete is found again, and nothing secret was ever on disk', async () => {
  const folder = tempFolder()
  const file = join(folder, 'recordings', 'billing.har')
  await record(file, [{ target: '/before', answer: { body: 'before' } }])
  await killedWhileRecording(folder, file, (journal) => journal.split('\n').length > 25)
  const complete = readFileSync(`${file}.journal`, 'utf8').split('\n').length - 1
  expect(complete).toBeGreaterThanOrEqual(25)
  for (const { path, bytes } of contentsOf(join(folder, 'recordings'))) expect(bytes.includes('q7Secret'), path).toBe(false)

  // A reader sees it at once, and changes no file.
  const targets = ['/before', ...Array.from({ length: complete }, (_, at) => `/n/${at}`)].map((target) => ({ target }))
  expect((await replay(file, targets)).map((answer) => played(answer).status)).toEqual(targets.map(() => 200))
  expect(existsSync(`${file}.journal`)).toBe(true)

  // The next who writes folds it in.
  await record(file, [{ target: '/after', answer: { body: 'after' } }])
  expect(existsSync(`${file}.journal`)).toBe(false)
  expect(existsSync(`${file}.lock`)).toBe(false)
  const answers = (await replay(file, [...targets, { target: '/after' }])).map(played)
  expect(answers.at(-1)!.body.toString()).toBe('after')
  expect(answers[1]!.body.length).toBe(1_500_000)
  expect(answers[2]!.body.toString()).toBe('text 1 '.repeat(5000).slice(0, 30_000))
  const names = contentsOf(`${file}.bodies`).map(({ path }) => path.split('/').at(-1)!)
  expect(names.filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([])
}, 120_000)

test('a journal whose last line was cut off anywhere loses that exchange only', async () => {
  const folder = tempFolder()
  const file = join(folder, 'a.har')
  await record(file, [
    { target: '/a', answer: { body: 'a' } },
    { target: '/b', answer: { body: 'b é' } },
  ])
  const { log } = JSON.parse(readFileSync(file, 'utf8')) as { log: { entries: unknown[] } }
  const [first, second] = log.entries.map((entry) => `${JSON.stringify(entry)}\n`)
  for (let cut = 0; cut < Buffer.byteLength(second!); cut += 7) {
    const torn = join(folder, `${cut}.har`)
    writeFileSync(`${torn}.journal`, Buffer.concat([Buffer.from(first!), Buffer.from(second!).subarray(0, cut)]))
    await record(torn, [{ target: '/c', answer: { body: 'c' } }])
    const found = await replay(torn, [{ target: '/a' }, { target: '/b' }, { target: '/c' }])
    expect(
      found.map((answer) => 'status' in answer),
      `cut at ${cut}`,
    ).toEqual([true, false, true])
  }
})

test('a recording that somebody broke while it was written is not written over: the journal keeps what came', async () => {
  const file = join(tempFolder(), 'a.har')
  await record(file, [{ target: '/a', answer: { body: 'a' } }])
  const text = readFileSync(file, 'utf8')
  const exchange = await openExchange(settingOf(file, 'record'))
  const capture = exchange.recorder!.begin({
    protocol: 'http',
    httpVersion: '1.1',
    method: 'GET',
    target: '/b',
    headers: [],
    time: 0,
  })
  capture.requestEnd([])
  capture.responseHead({ status: 200, statusText: 'OK', headers: [] })
  capture.end([])
  writeFileSync(file, text.replace('  "log"', '<<<<<<< ours\n  "log"'))
  await expect(exchange.close()).rejects.toMatchObject({ code: 'RECORDING_INVALID', faults: [{ code: 'RECORDING_CONFLICT' }] })
  writeFileSync(file, text)
  expect((await replay(file, [{ target: '/a' }, { target: '/b' }])).map((answer) => played(answer).status)).toEqual([200, 200])
})

test('a damaged line in the middle of a journal is told with its line', async () => {
  const file = join(tempFolder(), 'a.har')
  writeFileSync(`${file}.journal`, '{"broken\n{}\n')
  await expect(openExchange(settingOf(file, 'record'))).rejects.toMatchObject({
    code: 'RECORDING_INVALID',
    faults: [{ code: 'RECORDING_BAD_LINE', line: 1, hint: `delete the line: sed -i 1d ${file}.journal` }],
  })
  expect(existsSync(`${file}.lock`)).toBe(false)
})

test('another process that records holds the file', async () => {
  const folder = tempFolder()
  const file = join(folder, 'a.har')
  const child = await startWriter(folder, file)
  await expect.poll(() => existsSync(`${file}.journal`), { timeout: 30_000 }).toBe(true)
  await expect(openExchange(settingOf(file, 'record'))).rejects.toMatchObject({
    code: 'RECORDING_BUSY',
    message: `Another process (${child.pid}) records into ${file}.`,
  })
  child.kill()
  await child.ended
})
