import { describeExit, launch } from './launch.ts'
import { lastLines, logPaths, markLogs } from './log-files.ts'
import type { ProcessUser } from './process-spec.ts'
import { raceAbort } from './race-abort.ts'
import { killGroup, terminate } from './terminate.ts'

const GRACE_MS = 2_000

/**
 * Runs a command to its end, its output in the run's logs under `id`. Aborted: its group is ended and the signal's reason thrown.
 * The evidence is the last lines that it wrote.
 */
export async function runToEnd(options: {
  runDir: string
  id: string
  argv: string[]
  cwd: string
  env: Record<string, string>
  user?: ProcessUser
  signal: AbortSignal
}): Promise<{ code: number | null; how: string; evidence: string[] }> {
  options.signal.throwIfAborted()
  const paths = logPaths(options.runDir, options.id)
  const mark = markLogs(paths)
  const { identity, exited } = await launch({ ...options, ...paths })
  const ended = await raceAbort(exited, options.signal)
  if (ended === 'aborted') {
    await terminate(identity, { signal: 'SIGTERM', graceMs: GRACE_MS })
    options.signal.throwIfAborted()
    throw new Error('aborted')
  }
  killGroup(identity.pid)
  return { code: ended.code, how: describeExit(ended), evidence: lastLines(paths, mark) }
}
