import { spawn } from 'node:child_process'
import { ShivError } from '../core/errors.ts'
import type { Caller } from './caller.ts'

/** A login that waits for a person would wait for ever. */
const TIMEOUT_MS = 30_000
/** More than any credential. */
const LONGEST = 1_000_000
/** How long output is read after the command ended: what it left running may hold its pipes for ever. */
const DRAIN_MS = 200
/** Between asking a command's processes to end and making them. */
const GRACE_MS = 1_000

/**
 * What a command prints, for a credential: without a shell, without input, with the caller's environment. It is never logged, and of what the
 * command says on stderr only what cannot be a credential is told. Throws DEPENDENCY_COMMAND_FAILED, or the signal's reason.
 */
export async function readSecret(
  argv: string[],
  caller: Caller,
  options: { what: string; signal: AbortSignal; environment?: Record<string, string>; hint?: string },
): Promise<string> {
  const [file = '', ...args] = argv
  options.signal.throwIfAborted()
  const environment = { ...caller.environment, ...options.environment }
  const result = await run(file, args, { folder: caller.folder, environment, signal: options.signal })
  options.signal.throwIfAborted()
  const output = result.stdout.trim()
  if (result.why === undefined && output !== '') return output
  throw failed(file, options.what, {
    reason: result.why ?? 'it printed nothing',
    evidence: result.stderr.split('\n').filter(Boolean).slice(-5).map(withoutSecrets),
    hint:
      options.hint ??
      'run the command that shiv.yaml names yourself; it must print the credential and nothing else, without asking',
  })
}

interface Ended {
  stdout: string
  stderr: string
  /** Why it gave nothing; absent where it ended well. */
  why?: string
}

/** In a process group of its own, so that what it started ends with it when it is not waited for any longer. */
function run(
  file: string,
  args: string[],
  { folder, environment, signal }: { folder: string; environment: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const told = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    let size = 0
    const settle = (why?: string): void => {
      clearTimeout(timer)
      clearTimeout(draining)
      signal.removeEventListener('abort', give)
      process.removeListener('exit', endAll)
      child.stdout.destroy()
      child.stderr.destroy()
      const [stdout, stderr] = [told.stdout, told.stderr].map((chunks) => Buffer.concat(chunks).toString('utf8'))
      resolve({ stdout: stdout!, stderr: stderr!, ...(why !== undefined && { why }) })
    }
    const endAll = (): void => endGroup(child.pid, 'SIGKILL')
    const giveUp = (why: string): void => {
      endGroup(child.pid, 'SIGTERM')
      setTimeout(endAll, GRACE_MS).unref()
      settle(why)
    }
    const give = (): void => giveUp('it was not waited for')
    const timer = setTimeout(() => giveUp(`it did not end within ${TIMEOUT_MS / 1_000} s`), TIMEOUT_MS)
    let draining: NodeJS.Timeout | undefined
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > LONGEST) giveUp(`it printed more than ${LONGEST} bytes`)
        else told[name].push(chunk)
      })
    signal.addEventListener('abort', give, { once: true })
    process.once('exit', endAll)
    child.once('error', (error: NodeJS.ErrnoException) =>
      settle(error.code === 'ENOENT' ? 'there is no such program on PATH' : `it could not be started (${error.code})`),
    )
    child.once('exit', (code, by) => {
      const why = code === 0 ? undefined : code === null ? `it was ended by ${by ?? 'a signal'}` : `it ended with ${code}`
      draining = setTimeout(() => settle(why), DRAIN_MS)
      child.once('close', () => settle(why))
    })
  })
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // all have ended
  }
}

/** A long word without a space may be a token; sentences stay. */
function withoutSecrets(line: string): string {
  return line.replaceAll(/[A-Za-z0-9+/_.=~-]{20,}/g, '***').slice(0, 300)
}

function failed(
  file: string,
  what: string,
  { reason, evidence, hint }: { reason: string; evidence: string[]; hint: string },
): ShivError {
  return new ShivError(`${what} could not be had from ${file}: ${reason}.`, {
    code: 'DEPENDENCY_COMMAND_FAILED',
    hint,
    evidence,
  })
}
