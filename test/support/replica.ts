import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Transport } from '../../src/drivers/sync/transport.ts'
import { HELPER_SCRIPTS } from '../../src/plan/reload-helper.ts'

/** A static busybox of this machine or out of the image that pods have; undefined where there is none. */
export function findBusybox(): string | undefined {
  const kept = join(tmpdir(), 'shiv-test-busybox')
  if (existsSync(kept)) return kept
  const made = spawnSync('docker', ['create', 'busybox:1.36-musl'], { encoding: 'utf8', timeout: 20_000 })
  if (made.status === 0) {
    const id = made.stdout.trim()
    spawnSync('docker', ['cp', `${id}:/bin/busybox`, `${kept}.${process.pid}`])
    spawnSync('docker', ['rm', id])
    execFileSync('mv', [`${kept}.${process.pid}`, kept])
    return kept
  }
  return ['/bin/busybox', '/usr/bin/busybox'].find(existsSync)
}

export const busybox = process.platform === 'linux' ? findBusybox() : undefined

/** What a pod has, in a folder of this machine: `/shiv`, the code folder, the image's working folder. */
export interface Replica {
  home: string
  code: string
  image: string
  overlay: string
  /** Runs seed.sh. */
  seed(): void
  /** Starts run.sh with a command. */
  run(command: string[], env?: Record<string, string>): Supervised
  /** Starts an agent. */
  connect(): Transport & { process: ChildProcess }
  dispose(): void
}

export interface Supervised {
  process: ChildProcess
  output(): string
  exited: Promise<{ code: number | null; signal: string | null }>
}

export function createReplica(options: { uid?: number; folder?: string } = {}): Replica {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'shiv-replica-'))
  const [home, code, image, overlay] = ['shiv', 'code', 'image', 'overlay'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  chmodSync(folder, 0o777)
  for (const path of [home, code, image, overlay]) {
    mkdirSync(path)
    chmodSync(path, 0o777)
  }
  copyFileSync(busybox as string, join(home, 'busybox'))
  for (const [name, text] of Object.entries(HELPER_SCRIPTS)) writeFileSync(join(home, name), text)
  const user = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }
  const children: ChildProcess[] = []
  const start = (argv: string[], env: Record<string, string>, stdin: 'ignore' | 'pipe') => {
    const child = spawn(join(home, 'busybox'), ['sh', ...argv], {
      cwd: code,
      env: { PATH: process.env['PATH'], ...env },
      stdio: [stdin, 'pipe', 'pipe'],
      detached: true,
      ...user,
    })
    children.push(child)
    return child
  }
  let health: Record<string, string> = {}
  return {
    home,
    code,
    image,
    overlay,
    seed() {
      const done = spawnSync(join(home, 'busybox'), ['sh', join(home, 'seed.sh'), image, code, overlay], {
        encoding: 'utf8',
        ...user,
      })
      if (done.status !== 0) throw new Error(`seed.sh failed: ${done.stderr}`)
    },
    run(command, env = {}) {
      health = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('SHIV_HEALTH')))
      const child = start([join(home, 'run.sh'), ...command], env, 'ignore')
      let output = ''
      child.stdout?.on('data', (part) => (output += part))
      child.stderr?.on('data', (part) => (output += part))
      const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
      return { process: child, output: () => output, exited }
    },
    connect() {
      const child = start([join(home, 'agent.sh'), code], health, 'pipe')
      const { stdin, stdout, stderr } = child
      if (stdin === null || stdout === null) throw new Error('no pipes')
      let said = ''
      stderr?.on('data', (part) => (said += part))
      stdin.on('error', () => {}) // told by `closed`
      return {
        process: child,
        write: (bytes) => new Promise((resolve, reject) => stdin.write(bytes, (error) => (error ? reject(error) : resolve()))),
        onData: (listener) => stdout.on('data', listener),
        closed: once(child, 'exit').then(() => `the agent ended ${said}`.trim()),
        close: () => stdin.end(),
      }
    },
    dispose() {
      for (const child of children) if (child.pid !== undefined) killTree(child.pid)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Kills a process, its session, and the sessions of what it started. */
function killTree(pid: number): void {
  const below = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter(Boolean)
  for (const child of below) killTree(Number(child))
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL')
    } catch {
      // it is gone
    }
  }
}

/** Whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^[ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? 'X')
  } catch {
    return false
  }
}
