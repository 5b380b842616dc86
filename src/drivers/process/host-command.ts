import { createInterface } from 'node:readline'
import { execa } from 'execa'

/** As a shell has it. */
const NOT_FOUND = 127
/** Lines of output that are kept, from the end. */
const KEPT = 200
/** How long a command may take to end after TERM. */
const GRACE_MS = 2_000

/**
 * Runs a command of this machine to its end, without a shell and without input, in a process group that ends with the signal. Resolves when it
 * fails too, with the last lines of both its streams; one that cannot be started counts as failed, with the reason as its line, or with code 127 where there is no such program.
 */
export async function runHostCommand(
  argv: string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal; onLine?: (text: string) => void },
): Promise<{ code: number; lines: string[] }> {
  const { cwd, signal } = options
  const [file = '', ...args] = argv
  const child = execa(file, args, {
    cwd,
    env: options.env,
    extendEnv: false,
    detached: true,
    stdin: 'ignore',
    all: true,
    lines: true,
    reject: false,
    maxBuffer: 10_000_000,
  })
  if (options.onLine) createInterface({ input: child.all }).on('line', options.onLine)
  let late: NodeJS.Timeout | undefined
  const end = (): void => {
    endGroup(child.pid, 'SIGTERM')
    late = setTimeout(() => endGroup(child.pid, 'SIGKILL'), GRACE_MS)
  }
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    const result = await child
    const lines = (result.all ?? []).slice(-KEPT)
    if (result.code === 'ENOENT') return { code: NOT_FOUND, lines: [] }
    if (result.exitCode === undefined) return { code: 1, lines: [...lines, result.shortMessage ?? `${file} could not be run`] }
    return { code: result.exitCode, lines }
  } finally {
    clearTimeout(late)
    signal.removeEventListener('abort', end)
    if (signal.aborted) endGroup(child.pid, 'SIGKILL')
  }
}

/** A command that is a script has children, which hold its pipes. */
function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
