import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isAlive } from '../../core/process-identity.ts'
import { launch, type Launched, type LaunchOptions } from './launch.ts'
import { logPaths } from './log-files.ts'
import type { ProcessSpec } from './process-spec.ts'
import type { SpareCommand, SpareWish } from './spare-command.ts'
import { killGroup, terminate } from './terminate.ts'

/** By interpreter the text of the program that makes a spare wait. */
export type SpareScripts = Partial<Record<SpareWish['interpreter'], string>>

/** A second interpreter that has started up to the service's own code and waits for its turn at a FIFO that this daemon holds open. */
export interface Spare {
  /** As of its command; another one wants another spare. */
  key: string
  /** The id that its environment carries. */
  mark: string
  hasEnded(): boolean
  /** Lets it begin, as the process of these options. */
  go(options: LaunchOptions): Launched
  end(): Promise<void>
}

/** Starts a spare, as `command` says, for the processes of a spec. `folder` is a private one of the run's spares. */
export async function startSpare(spec: ProcessSpec, command: SpareCommand, folder: string, runDir: string): Promise<Spare> {
  const mark = `${spec.source}.spare.${randomBytes(4).toString('hex')}`
  const fifo = join(folder, mark)
  await promisify(execFile)('mkfifo', ['-m', '600', fifo])
  const pipe = openSync(fifo, constants.O_RDWR)
  const env = { ...spec.env, SHIV_SPARE_FIFO: fifo, SHIV_SPARE_LEARNED: join(folder, `${spec.source}.learned`), ...command.env }
  const launched = await launch({ runDir, id: mark, argv: command.argv, cwd: command.folder, env, ...logPaths(runDir, spec.id) })
  launched.unref()
  let isOpen = true
  const close = (): void => {
    if (isOpen) closeSync(pipe)
    isOpen = false
    rmSync(fifo, { force: true })
  }
  void launched.exited.then(close)
  return {
    key: command.key,
    mark,
    hasEnded: () => !isAlive(launched.identity),
    go(options) {
      writeSync(pipe, `go ${JSON.stringify({ env: changesOf(spec.env, { ...options.env, SHIV_PROCESS: options.id }) })}\n`)
      return launched
    },
    async end() {
      await terminate(launched.identity, { signal: 'SIGKILL', graceMs: 0, exited: launched.exited })
      killGroup(launched.identity.pid)
      close()
    },
  }
}

/** By name what is another value, and null for what is gone. */
function changesOf(before: Record<string, string>, after: Record<string, string>): Record<string, string | null> {
  const gone = Object.keys(before).filter((name) => !(name in after))
  const changed = Object.entries(after).filter(([name, value]) => before[name] !== value)
  return { ...Object.fromEntries(changed), ...Object.fromEntries(gone.map((name) => [name, null])) }
}
