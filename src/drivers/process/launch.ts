import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { ShivError } from '../../core/errors.ts'
import { identifyProcess, type ProcessIdentity } from '../../core/process-identity.ts'
import type { ProcessUser } from './process-spec.ts'

export interface Exit {
  /** Null when a signal ended it. */
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Launched {
  identity: ProcessIdentity
  exited: Promise<Exit>
  /** Lets this process end before that one does. */
  unref(): void
}

export interface LaunchOptions {
  runDir: string
  /** Marks the process and its children in their environment, so that they are found even when no record names them. */
  id: string
  argv: string[]
  cwd: string
  env: Record<string, string>
  user?: ProcessUser
  stdout: string
  stderr: string
}

/**
 * Starts a program in a process group of its own, its output straight into files, so that it lives on and goes on writing
 * when the daemon is killed. `onSpawned` runs before anything else can, so that a pid is on disk as soon as it exists.
 * Throws PROCESS_TOOL_MISSING when there is no such program.
 */
export async function launch(options: LaunchOptions, onSpawned?: (identity: ProcessIdentity) => void): Promise<Launched> {
  const [file, ...args] = options.argv
  if (file === undefined) throw new ShivError('The command is empty.', { code: 'PROCESS_COMMAND_EMPTY', exit: 2 })
  const out = openSync(options.stdout, 'a', 0o600)
  const err = options.stderr === options.stdout ? out : openSync(options.stderr, 'a', 0o600)
  try {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...options.env, SHIV_RUN_DIR: options.runDir, SHIV_PROCESS: options.id },
      detached: true,
      stdio: ['ignore', out, err],
      ...(options.user && { uid: options.user.uid, gid: options.user.gid }),
    })
    const exited = new Promise<Exit>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
    if (child.pid === undefined) {
      const error = await new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve))
      throw spawnFailure(error, file, options.cwd)
    }
    // A process that is a zombie already has no start time that anybody could compare with.
    const identity = identifyProcess(child.pid) ?? { pid: child.pid, startTime: 'gone' }
    onSpawned?.(identity)
    return { identity, exited, unref: () => child.unref() }
  } finally {
    closeSync(out)
    if (err !== out) closeSync(err)
  }
}

function spawnFailure(error: NodeJS.ErrnoException, file: string, cwd: string): ShivError {
  if (error.code === 'ENOENT' && !existsSync(cwd)) {
    return new ShivError(`The folder ${cwd} does not exist.`, { code: 'PROCESS_FOLDER_MISSING', exit: 2, cause: error })
  }
  if (error.code === 'ENOENT') {
    return new ShivError(`There is no program \`${file}\` on PATH.`, {
      code: 'PROCESS_TOOL_MISSING',
      exit: 3,
      hint: `install ${file}, or name another program under \`command\` in service.yaml`,
      cause: error,
    })
  }
  if (error.code === 'EACCES') {
    return new ShivError(`\`${file}\` may not be executed.`, {
      code: 'PROCESS_NOT_EXECUTABLE',
      exit: 3,
      hint: `chmod +x ${file}`,
      cause: error,
    })
  }
  return new ShivError(`\`${file}\` could not be started: ${error.message}`, { code: 'PROCESS_SPAWN_FAILED', cause: error })
}

/** `exited with code 1`, `was killed by SIGSEGV`. */
export function describeExit(exit: Exit | undefined): string {
  if (exit === undefined) return 'ended (its exit code was not seen)'
  return exit.signal === null ? `exited with code ${exit.code}` : `was killed by ${exit.signal}`
}
