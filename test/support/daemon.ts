import { build } from 'esbuild'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isAlive, type ProcessIdentity } from '../../src/core/process-identity.ts'
import { callDaemon, type DaemonCallOptions } from '../../src/wire/call-daemon.ts'
import type { Request } from '../../src/wire/messages.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Bundles the daemon as `build.mjs` does, into a folder of this test's own, so that tests need no `dist` and disturb none. */
export async function buildDaemon(name: string): Promise<{ entry: string; remove(): void }> {
  const outdir = join(root, 'node_modules', '.cache', `shiv-${name}-${process.pid}`)
  mkdirSync(outdir, { recursive: true })
  await build({
    entryPoints: { 'daemon/main': join(root, 'src/daemon/main.ts') },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    logLevel: 'warning',
  })
  return { entry: join(outdir, 'daemon/main.js'), remove: () => rmSync(outdir, { recursive: true, force: true }) }
}

export interface TestHome {
  home: string
  call<T>(request: Request, options?: Partial<DaemonCallOptions>): Promise<T>
  /** The daemon that holds the lock, if one lives. */
  holder(): ProcessIdentity | undefined
  log(): string
  /** Ends the daemon of this home, if any, and removes the folder. */
  remove(): Promise<void>
}

/** A state folder of its own, and a client for the daemon in it. */
export function createTestHome(entry: string, folder?: string): TestHome {
  const home = folder ?? mkdtempSync(join(tmpdir(), 'shiv-home-'))
  const holder = (): ProcessIdentity | undefined => {
    try {
      const identity = JSON.parse(readFileSync(join(home, 'daemon.lock'), 'utf8')) as ProcessIdentity
      return isAlive(identity) ? identity : undefined
    } catch {
      return undefined // no lock, no daemon
    }
  }
  return {
    home,
    holder,
    call: (request, options) => callDaemon(request, { home, entry, ...options }),
    log: () => readFileSync(join(home, 'daemon.log'), 'utf8'),
    async remove() {
      const identity = holder()
      if (identity) {
        process.kill(identity.pid, 'SIGTERM')
        await until(() => !isAlive(identity))
      }
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Resolves when the condition holds; fails loudly when it never does. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`never became true: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
