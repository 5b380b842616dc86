import { execa } from 'execa'
import { ShivError } from '../core/errors.ts'
import type { Caller } from './caller.ts'

/** A login that waits for a person would wait for ever. */
const TIMEOUT_MS = 30_000
/** More than any credential. */
const LONGEST = 1_000_000

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
  const result = await execa(file, args, {
    cwd: caller.folder,
    env: { ...caller.environment, ...options.environment },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    maxBuffer: LONGEST,
    timeout: TIMEOUT_MS,
    cancelSignal: options.signal,
    forceKillAfterDelay: 1_000,
  })
  options.signal.throwIfAborted()
  const output = result.stdout.trim()
  if (result.exitCode === 0 && output !== '') return output
  throw failed(file, options.what, {
    reason: reasonOf(result),
    evidence: result.stderr.split('\n').filter(Boolean).slice(-5).map(withoutSecrets),
    hint:
      options.hint ??
      'run the command that shiv.yaml names yourself; it must print the credential and nothing else, without asking',
  })
}

function reasonOf(result: { code?: string; timedOut: boolean; exitCode?: number; signal?: string }): string {
  if (result.code === 'ENOENT') return 'there is no such program on PATH'
  if (result.timedOut) return `it did not end within ${TIMEOUT_MS / 1_000} s`
  if (result.exitCode === 0) return 'it printed nothing'
  return result.exitCode === undefined ? `it was ended by ${result.signal ?? 'a signal'}` : `it ended with ${result.exitCode}`
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
