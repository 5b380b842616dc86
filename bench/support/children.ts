import { build } from 'esbuild'
import { fork, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** A process of the bench that listens: see `child.ts` for its roles. */
export interface Child {
  port: number
  /** Of the process alone. `collect` runs the garbage collector first. */
  usage(collect?: boolean): Promise<Usage>
}

export interface Usage {
  /** User and system, since it began. */
  cpuMicroseconds: number
  /** Bytes. */
  rss: number
}

/** Begins a child in a role, with what the role wants to know: most an upstream's port. */
export type Begin = (role: string, ...words: (string | number)[]) => Promise<Child>

/**
 * Runs `work` with a way to begin children of this bench; ends them all. One whose role `BENCH_PROFILE` names writes a profile of its processor time
 * into the working folder when it ends.
 */
export async function withChildren<T>(work: (begin: Begin) => Promise<T>): Promise<T> {
  // Within the checkout, so that the packages which stay outside of the bundle are found.
  const folder = await mkdtemp(join(import.meta.dirname, '..', '..', 'node_modules', '.bench-'))
  const children: ChildProcess[] = []
  try {
    const file = join(folder, 'child.mjs')
    await build({
      // Of the checkout, from wherever this was bundled to.
      entryPoints: [join(import.meta.dirname, '..', '..', 'bench', 'support', 'child.ts')],
      outfile: file,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      logLevel: 'error',
    })
    return await work(async (role, ...words) => {
      const profiled = process.env['BENCH_PROFILE'] === role ? ['--cpu-prof', `--cpu-prof-dir=${process.cwd()}`] : []
      const child = fork(file, [role, ...words.map(String)], { execArgv: ['--expose-gc', ...profiled] })
      children.push(child)
      const { port } = await told<{ port: number }>(child)
      return {
        port,
        usage: (collect = false) => {
          child.send(collect ? 'collect' : 'usage')
          return told<Usage>(child)
        },
      }
    })
  } finally {
    const living = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    const gone = living.map((child) => new Promise((resolve) => child.once('exit', resolve)))
    for (const child of living) child.disconnect()
    await Promise.all(gone)
    await rm(folder, { recursive: true, force: true })
  }
}

function told<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`a child of the measure ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.removeListener('exit', onExit)
      resolve(message as T)
    })
  })
}
