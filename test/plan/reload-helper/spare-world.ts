import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { HELPER_SCRIPTS } from '../../../src/plan/reload-helper.ts'
import { openFiles } from '../../support/open-files.ts'

/** A spare as its test sees it. */
export interface StartedSpare {
  child: ChildProcess
  closed: Promise<{ code: number | null; signal: string | null; output: string }>
  output(): string
}

/** A folder with `code`, the service's, and `shiv`, which has the script and a FIFO `go` that the test holds open. */
export interface SpareWorld {
  folder: string
  save(name: string, text: string): Promise<void>
  start(command: string, args: string[], options: { cwd: string; env: Record<string, string> }): StartedSpare
  /** Resolves when it has opened its FIFO, so that whatever it reads early has been read. */
  settle(child: ChildProcess): Promise<void>
  go(line?: string): Promise<unknown>
  letGoOfFifo(): Promise<void>
  end(): Promise<void>
}

export async function createSpareWorld(script: 'spare.cjs' | 'spare.py'): Promise<SpareWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'shiv-spare-'))
  for (const name of ['shiv', 'code']) await mkdir(join(folder, name))
  await writeFile(join(folder, 'shiv', script), HELPER_SCRIPTS[script])
  execFileSync('mkfifo', [join(folder, 'shiv/go')])
  const fifo = await open(join(folder, 'shiv/go'), constants.O_RDWR)
  const running: ChildProcess[] = []
  return {
    folder,
    save: (name, text) => writeFile(join(folder, 'code', name), text),
    start(command, args, { cwd, env }) {
      const own = { PATH: process.env['PATH'], SHIV_SPARE_FIFO: join(folder, 'shiv/go'), ...env }
      const child = spawn(command, args, { cwd: join(folder, cwd), env: own })
      running.push(child)
      let output = ''
      child.stdout.on('data', (part) => (output += part))
      child.stderr.on('data', (part) => (output += part))
      const closed = once(child, 'close').then(([code, signal]) => ({ code, signal, output }))
      return { child, closed, output: () => output }
    },
    async settle(child) {
      await expect.poll(() => openFiles(child.pid!), { timeout: 10_000, interval: 5 }).toContain(join(folder, 'shiv/go'))
    },
    go: (line = 'go') => fifo.write(`${line}\n`),
    letGoOfFifo: () => fifo.close(),
    async end() {
      for (const child of running) child.kill('SIGKILL')
      await fifo.close().catch(() => {}) // a test may have closed it
      await rm(folder, { recursive: true })
    },
  }
}
