import { statSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../../package.json' with { type: 'json' }
import type { DaemonStamp } from './messages.ts'

export const RELEASE: string = manifest.version

/**
 * The bundled daemon beside this code: `dist/daemon/main.js`, from `dist/cli`, `dist/chunks` or, in tests, from `src/wire`.
 * `SHIV_DAEMON_ENTRY` names another one.
 */
export function daemonEntry(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['SHIV_DAEMON_ENTRY']) return environment['SHIV_DAEMON_ENTRY']
  const fromSource = import.meta.filename.endsWith('.ts')
  return join(import.meta.dirname, fromSource ? '../../dist/daemon/main.js' : '../daemon/main.js')
}

/** What program the file is now; `modified` is 0 when it is not there. */
export function stampOf(entry: string): DaemonStamp {
  return { release: RELEASE, entry, modified: statSync(entry, { throwIfNoEntry: false })?.mtimeMs ?? 0 }
}

/** Whether a daemon of one stamp serves a caller of another: same release, and not the same file written anew. */
export function isSameDaemon(a: DaemonStamp, b: DaemonStamp): boolean {
  return a.release === b.release && (a.entry !== b.entry || a.modified === b.modified)
}
