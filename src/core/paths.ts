import { homedir, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/**
 * Where shiv keeps what belongs to this user: `$SHIV_HOME`, else `$XDG_STATE_HOME/shiv`, else `~/.local/state/shiv`.
 * The folder is created by whoever writes first, with mode 0700.
 */
export function shivHome(env: NodeJS.ProcessEnv = process.env): string {
  if (env['SHIV_HOME']) return env['SHIV_HOME']
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'shiv')
}

/** The daemon's socket. A Unix socket path holds at most 103 bytes on macOS, so a deep home gets one in the temp folder. */
export function socketPath(home: string = shivHome()): string {
  const direct = join(home, 'daemon.sock')
  if (Buffer.byteLength(direct) <= 100) return direct
  // Loading it costs every command milliseconds; few homes are that deep.
  const { createHash } = process.getBuiltinModule('node:crypto')
  const id = createHash('sha256').update(home).digest('hex').slice(0, 12)
  return join(tmpdir(), `shiv-${userInfo().uid}-${id}`, 'daemon.sock')
}
