import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, statfsSync, watch } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { diskFull, ShivError } from '../core/errors.ts'
import { readHolder } from '../core/lock-file.ts'
import { makePrivateFolder } from '../core/private-folder.ts'
import { socketPath } from '../core/paths.ts'
import { connect, type Connection } from './client.ts'

/** The daemon's exit code when another daemon already serves this home. */
export const EXIT_ALREADY_RUNNING = 75

/** Names of the caller's environment that a daemon keeps, all that services inherit among them; anything else, secrets above all, comes with the request that needs it. */
const KEPT =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|SHIV_.*|DOCKER_.*|KUBECONFIG|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|SSL_CERT_.*|WSL_.*)$/

/** A daemon mostly waits: memory counts more than speed. Measured after four starts on kind: 74 MB with these, 127 MB without. */
const SMALL = ['--max-semi-space-size=1', '--optimize-for-size']

export interface EnsureOptions {
  home: string
  /** The daemon's bundled program. */
  entry: string
  environment?: NodeJS.ProcessEnv
  timeoutMs?: number
}

/**
 * Connects to the daemon of `home`, starting it when nobody listens. Callers at the same moment end up with one daemon: each may
 * spawn, the daemon's own lock decides. Throws DAEMON_START_FAILED with the end of its log.
 */
export async function ensureDaemon(options: EnsureOptions): Promise<Connection> {
  const path = socketPath(options.home)
  const present = await connect(path)
  if (present) return present
  if (!existsSync(options.entry)) throw notBuilt(options.entry)
  makePrivateFolder(options.home)
  makePrivateFolder(dirname(path))
  const watcher = watchSocket(path)
  try {
    return await waitForSocket(path, watcher, options)
  } finally {
    watcher.close()
  }
}

/** What a daemon keeps of the environment of the caller that starts it. */
export function daemonEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => KEPT.test(name)))
}

function spawnDaemon(options: EnsureOptions): ChildProcess {
  const kept = daemonEnvironment(options.environment ?? process.env)
  const log = openSync(join(options.home, 'daemon.log'), 'a', 0o600)
  try {
    return spawn(process.execPath, [...SMALL, options.entry], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', log, log],
      env: { ...kept, SHIV_HOME: options.home },
    })
  } finally {
    closeSync(log)
  }
}

interface SocketWatcher {
  /** Calls back whenever the socket may have appeared. */
  onChange(callback: () => void): void
  close(): void
}

function watchSocket(path: string): SocketWatcher {
  let notify = (): void => {}
  const poll = (): (() => void) => {
    const timer = setInterval(() => notify(), 25)
    return () => clearInterval(timer)
  }
  try {
    const watcher = watch(dirname(path), (_event, name) => {
      if (name === null || name === basename(path)) notify()
    })
    return { onChange: (callback) => (notify = callback), close: () => watcher.close() }
  } catch {
    // The machine has no watches left (its inotify limit): looking again is the only way.
    return { onChange: (callback) => (notify = callback), close: poll() }
  }
}

function waitForSocket(path: string, watcher: SocketWatcher, options: EnsureOptions): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let child: ChildProcess | undefined
    let isSettled = false
    const settle = (finish: () => void): void => {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      child?.removeAllListeners().unref()
      finish()
    }
    const fail = (message: string): void => settle(() => reject(startFailed(message, options.home)))
    const tryConnect = async (orElse?: () => void): Promise<void> => {
      try {
        const connection = await connect(path)
        if (connection === undefined) orElse?.()
        else if (isSettled) connection.close()
        else {
          endSpare(child, options.home)
          settle(() => resolve(connection))
        }
      } catch (error) {
        settle(() => reject(error as Error))
      }
    }
    const launch = (): void => {
      if (isSettled) return
      child = spawnDaemon(options)
      child.once('error', (error) => fail(`The daemon cannot be started: ${error.message}.`))
      child.once('exit', (code, signal) => {
        // Another daemon holds the lock: it is about to listen, or about to end and leave the place to the next one.
        if (code === EXIT_ALREADY_RUNNING) void tryConnect(launch)
        else fail(`The daemon ended while starting (${signal ?? `exit code ${code}`}).`)
      })
    }
    const timer = setTimeout(() => fail('The daemon did not open its socket in time.'), options.timeoutMs ?? 20_000)
    watcher.onChange(() => void tryConnect())
    launch()
  })
}

/** Another caller's daemon answered: ours, still on its way, must not come up later in its place. */
function endSpare(child: ChildProcess | undefined, home: string): void {
  const holder = readHolder(join(home, 'daemon.lock'))
  if (typeof holder === 'object' && holder.pid !== child?.pid) child?.kill('SIGTERM')
}

function startFailed(message: string, home: string): ShivError {
  // Its log, which would say so, has no room either.
  if (hasNoRoom(home)) return diskFull(home)
  const log = join(home, 'daemon.log')
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-10) : []
  return new ShivError(message, { code: 'DAEMON_START_FAILED', exit: 3, hint: `read ${log}`, evidence: lines })
}

function hasNoRoom(folder: string): boolean {
  const { bavail, bsize, files, ffree } = statfsSync(folder)
  return bavail * bsize < 64 * 1024 || (files > 0 && ffree === 0)
}

function notBuilt(entry: string): ShivError {
  return new ShivError(`The daemon's program ${entry} is not there.`, {
    code: 'DAEMON_START_FAILED',
    exit: 3,
    hint: 'in a clone: npm run build; otherwise install shiv again',
  })
}
