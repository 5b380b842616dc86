import { execa } from 'execa'
import { setTimeout as delay } from 'node:timers/promises'

/** As a shell has it. */
const NOT_FOUND = 127
/** Lines of output that are kept, from the end. */
const KEPT = 200
/** Characters of a line that are kept. */
const WIDEST = 16_384
/** How long a command may take to end after TERM. */
const GRACE_MS = 2_000
/** How long after its end what it left behind may hold its output open. */
const LEFT_OPEN_MS = 1_000

/**
 * Runs a command of this machine to its end, without a shell and without input, in a process group that ends with it or with the signal. Resolves when it
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
    buffer: false,
    reject: false,
  })
  const lines: string[] = []
  const splitter = splitLines((line) => {
    lines.push(line)
    if (lines.length > KEPT) lines.shift()
    options.onLine?.(line)
  })
  child.all.on('data', (chunk: Buffer) => splitter.take(chunk))
  let late: NodeJS.Timeout | undefined
  const end = (): void => {
    endGroup(child.pid, 'SIGTERM')
    late = setTimeout(() => endGroup(child.pid, 'SIGKILL'), GRACE_MS)
  }
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  // What it leaves behind may hold its output open for ever.
  child.once('exit', () => void closeLate(child.all))
  try {
    const result = await child
    splitter.end()
    if (result.code === 'ENOENT') return { code: NOT_FOUND, lines: [] }
    if (result.exitCode === undefined) return { code: 1, lines: [...lines, result.shortMessage ?? `${file} could not be run`] }
    return { code: result.exitCode, lines }
  } finally {
    clearTimeout(late)
    signal.removeEventListener('abort', end)
    endGroup(child.pid, 'SIGKILL')
  }
}

async function closeLate(stream: { destroy(): void }): Promise<void> {
  await delay(LEFT_OPEN_MS, undefined, { ref: false })
  stream.destroy()
}

/** Whole lines, cut where they are too wide to keep. */
function splitLines(onLine: (line: string) => void): { take(chunk: Buffer): void; end(): void } {
  const decoder = new TextDecoder()
  let rest = ''
  const tell = (line: string): void => onLine(line.replace(/\r$/, '').slice(0, WIDEST))
  return {
    take(chunk) {
      const [first = '', ...others] = decoder.decode(chunk, { stream: true }).split('\n')
      rest = (rest + first).slice(0, WIDEST + 1)
      for (const next of others) {
        tell(rest)
        rest = next
      }
    },
    end() {
      if (rest !== '') tell(rest)
      rest = ''
    },
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
