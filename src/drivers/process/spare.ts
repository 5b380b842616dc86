import { execFile } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { isAlive } from '../../core/process-identity.ts'
import { launch, type Launched, type LaunchOptions } from './launch.ts'
import { logPaths } from './log-files.ts'
import type { ProcessSpec } from './process-spec.ts'
import { killGroup, terminate } from './terminate.ts'

/** Options of `node` that change nothing of what runs before the program, so that a spare may have them. */
const HARMLESS = /^--(max-old-space-size|inspect|inspect-port|enable-source-maps|no-warnings|trace-warnings|trace-uncaught)(=|$)/

/** A second `node` that has started up to the service's own code and waits for its turn at a FIFO that this daemon holds open. */
export interface Spare {
  /** As a spec's command and folder; another one wants another spare. */
  key: string
  /** The id that its environment carries. */
  mark: string
  hasEnded(): boolean
  /** Lets it begin, as the process of these options. */
  go(options: LaunchOptions): Launched
  end(): Promise<void>
}

/** What a spare is recognised by; undefined for a command of which something would be read before its turn. */
export function spareKey(spec: Pick<ProcessSpec, 'argv' | 'cwd' | 'env'>): string | undefined {
  const parts = partsOf(spec)
  return parts && JSON.stringify([spec.cwd, parts.options, parts.program])
}

/** Starts a spare for the processes of a spec. `script` is the path of the preload that makes it wait. */
export async function startSpare(spec: ProcessSpec, script: string, runDir: string): Promise<Spare | undefined> {
  const parts = partsOf(spec)
  const key = spareKey(spec)
  if (parts === undefined || key === undefined) return undefined
  const mark = `${spec.source}.spare.${randomBytes(4).toString('hex')}`
  // Node reads the package.json of the folder that it is started in, before any preload: here there is none.
  const folder = join(runDir, 'spare')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const fifo = join(folder, mark)
  await promisify(execFile)('mkfifo', ['-m', '600', fifo])
  const pipe = openSync(fifo, constants.O_RDWR)
  const env = {
    ...spec.env,
    SHIV_SPARE_FIFO: fifo,
    SHIV_SPARE_CWD: spec.cwd,
    ...(spec.env['NODE_OPTIONS'] !== undefined && { SHIV_SPARE_OPTIONS: spec.env['NODE_OPTIONS'] }),
    ...(parts.inspect !== undefined && { SHIV_SPARE_INSPECT: parts.inspect }),
  }
  const argv = [spec.argv[0]!, '--require', script, ...parts.options, ...parts.program]
  const launched = await launch({ runDir, id: mark, argv, cwd: folder, env, ...logPaths(runDir, spec.id) })
  launched.unref()
  let isOpen = true
  const close = (): void => {
    if (isOpen) closeSync(pipe)
    isOpen = false
    rmSync(fifo, { force: true })
  }
  void launched.exited.then(close)
  return {
    key,
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

function partsOf({
  argv,
  cwd,
  env,
}: Pick<ProcessSpec, 'argv' | 'cwd' | 'env'>): { options: string[]; inspect?: string; program: string[] } | undefined {
  const [node = '', ...words] = argv
  const start = words.findIndex((word) => !word.startsWith('-'))
  const before = words.slice(0, start)
  const own = (env['NODE_OPTIONS'] ?? '').split(/\s+/).filter((word) => word !== '')
  if (basename(node) !== 'node' || start < 0 || ![...before, ...own].every((word) => HARMLESS.test(word))) return undefined
  const inspect = before.find((word) => /^--inspect(=|$)/.test(word))
  return {
    options: before.filter((word) => word !== inspect),
    inspect,
    program: [resolve(cwd, words[start]!), ...words.slice(start + 1)],
  }
}
