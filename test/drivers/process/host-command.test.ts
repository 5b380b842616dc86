import { expect, it } from 'vitest'
import { runHostCommand } from '../../../src/drivers/process/host-command.ts'
import { processesOf } from '../../support/processes.ts'

const run = (argv: string[], signal = new AbortController().signal, mark = '') =>
  runHostCommand(argv, { cwd: '/', env: { PATH: process.env['PATH'], SHIV_TEST_MARK: mark }, signal })

it('gives the code and the last lines of both streams, in their order', async () => {
  expect(await run(['sh', '-c', 'echo out; echo err >&2; exit 3'])).toEqual({ code: 3, lines: ['out', 'err'] })
})

it('tells a program that is not there by the code of a shell', async () => {
  expect(await run(['no-such-program-of-shiv'])).toEqual({ code: 127, lines: [] })
})

it('ends with its signal, and what it started with it', async () => {
  const mark = `shiv-host-command-${process.pid}`
  const abort = new AbortController()
  const running = run(['sh', '-c', 'sleep 300; true'], abort.signal, mark)
  await expect.poll(() => processesOf(mark).length).toBeGreaterThan(0)
  abort.abort()
  await running
  await expect.poll(() => processesOf(mark)).toEqual([])
})

it('is over with its program, whatever that leaves behind with its output open; that is ended too', async () => {
  const mark = `shiv-host-left-${process.pid}`
  expect(await run(['sh', '-c', 'sleep 300 & echo done'], undefined, mark)).toEqual({ code: 0, lines: ['done'] })
  await expect.poll(() => processesOf(mark)).toEqual([])
})

it('keeps the last lines of what floods, cut where they are too wide, and tells each', async () => {
  let told = 0
  const { lines } = await runHostCommand(
    ['sh', '-c', 'seq 1 50000; head -c 100000 /dev/zero | tr "\\0" x; echo; printf "no end"'],
    {
      cwd: '/',
      env: { PATH: process.env['PATH'] },
      signal: new AbortController().signal,
      onLine: () => void (told += 1),
    },
  )
  expect(told).toBe(50_002)
  expect(lines).toHaveLength(200)
  expect(lines.slice(-3).map((line) => (line.length > 20 ? line.length : line))).toEqual(['50000', 16_384, 'no end'])
})
