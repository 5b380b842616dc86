import { execa } from 'execa'

/** As a shell has it. */
const NOT_FOUND = 127
/** Lines of output that are kept, from the end. */
const KEPT = 200

/**
 * Runs a command of this machine to its end, without a shell and without input, in a process group that ends with the signal. Resolves when it
 * fails too, with the last lines of both its streams; one that cannot be started counts as failed, with the reason as its line, or with code 127 where there is no such program.
 */
export async function runHostCommand(
  argv: string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<{ code: number; lines: string[] }> {
  const [file = '', ...args] = argv
  const result = await execa(file, args, {
    cwd: options.cwd,
    env: options.env,
    extendEnv: false,
    cancelSignal: options.signal,
    stdin: 'ignore',
    all: true,
    lines: true,
    reject: false,
    maxBuffer: 10_000_000,
  })
  const lines = (result.all ?? []).slice(-KEPT)
  if (result.code === 'ENOENT') return { code: NOT_FOUND, lines: [] }
  if (result.exitCode === undefined) return { code: 1, lines: [...lines, result.shortMessage ?? `${file} could not be run`] }
  return { code: result.exitCode, lines }
}
