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
