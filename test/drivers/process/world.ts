import { HELPER_SCRIPTS } from '../../../src/plan/reload-helper.ts'
import { build } from 'esbuild'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createProcessRuntime } from '../../../src/drivers/process/runtime.ts'
import type { LiveState, RunContext, RunEvent, Runtime } from '../../../src/engine/ports.ts'
import type { Plan } from '../../../src/plan/types.ts'

/** A home of its own with small services in it; `end` leaves nothing of it. */
export interface World {
  home: string
  runtime: Runtime
  events: RunEvent[]
  steps: string[]
  /** Makes the folder of a service, `server.mjs` with the text in it. */
  service(name: string, text: string): string
  context(options?: {
    run?: string
    signal?: AbortSignal
    environment?: NodeJS.ProcessEnv
    secrets?: Record<string, string>
  }): RunContext
  /** A runtime as a new daemon would make it. */
  again(): Runtime
  end(): Promise<void>
}

const spareScripts = { node: HELPER_SCRIPTS['spare.cjs'], python: HELPER_SCRIPTS['spare.py'] }

export function createWorld(): World {
  const base = mkdtempSync(join(tmpdir(), 'shiv-process-'))
  chmodSync(base, 0o755)
  const home = join(base, 'home')
  const events: RunEvent[] = []
  const steps: string[] = []
  const contexts = new Map<string, RunContext>()
  const world: World = {
    home,
    runtime: createProcessRuntime({ home, spareScripts }),
    events,
    steps,
    service(name, text) {
      const root = join(base, name)
      mkdirSync(root, { recursive: true })
      writeFileSync(join(root, 'server.mjs'), text)
      return root
    },
    context(options = {}) {
      const runId = options.run ?? 'run-1'
      const context: RunContext = {
        runId,
        runDir: join(home, 'runs', runId),
        signal: options.signal ?? new AbortController().signal,
        secretValue: (variable) => options.secrets?.[variable],
        environment: options.environment ?? process.env,
        step: (name, work) => {
          steps.push(name)
          return work({ progress: () => undefined, note: () => undefined })
        },
        emit: (event) => events.push(event),
      }
      contexts.set(runId, { ...context, signal: new AbortController().signal })
      return context
    },
    again() {
      world.runtime = createProcessRuntime({ home, spareScripts })
      return world.runtime
    },
    async end() {
      for (const context of contexts.values()) await world.runtime.remove(emptyPlan(base), { purge: true }, context)
      rmSync(base, { recursive: true, force: true })
    },
  }
  return world
}

function emptyPlan(root: string): Plan {
  return {
    version: 1,
    workspace: { name: 'empty', root },
    environment: 'local',
    runtime: 'process',
    namespace: 'shiv-empty',
    rollout: { strategy: 'rolling', timeoutMs: 600_000, steadyMs: 500 },
    cluster: { name: 'shiv', kubernetes: '1.34', workers: 0 },
    images: [],
    databases: [],
    services: [],
    objects: [],
    remotes: [],
    remoteEnvironments: [],
    secrets: [],
    substitutions: [],
    alerts: [],
    patches: [],
  }
}

/** Answers every request with its environment and pid, and dies of `/die`. */
export const ECHO = `
import { createServer } from 'node:http'
const server = createServer((request, response) => {
  if (request.url === '/die') { console.error('Error: died as asked'); process.exit(9) }
  response.setHeader('connection', 'close')
  response.end(JSON.stringify({ pid: process.pid, env: process.env }))
})
server.listen(Number(process.env.PORT), () => console.log('listening'))
`

export function pidsOf(state: LiveState, service: string): number[] {
  const pids = state.services.find(({ name }) => name === service)?.replicas.map(({ pid }) => pid) ?? []
  return pids.filter((pid) => pid !== undefined)
}

export async function ask(state: LiveState, service: string, path = '/'): Promise<{ pid: number; env: Record<string, string> }> {
  const endpoint = Object.values(state.services.find(({ name }) => name === service)?.endpoints ?? {})[0]?.[0]
  if (endpoint === undefined) throw new Error(`${service} has no ready endpoint`)
  const response = await fetch(`http://${endpoint.host}:${endpoint.port}${path}`)
  return (await response.json()) as { pid: number; env: Record<string, string> }
}

/** Whether a process lives; a zombie does not. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  if (process.platform !== 'linux') return true
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z'
}

export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false, what: string): Promise<T> {
  const deadline = Date.now() + 15_000
  while (Date.now() < deadline) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await sleep(20)
  }
  throw new Error(`waited in vain until ${what}`)
}

export async function failureOf(
  work: Promise<unknown>,
): Promise<{ code: string; message: string; hint?: string; exit: number; evidence: string[] }> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error === undefined) throw new Error('it did not fail')
  return error as never
}

/** Makes one file that `node` runs from TypeScript that imports the sources; beside node_modules, so that packages are found. */
export async function bundle(source: string, name: string): Promise<{ file: string; remove(): void }> {
  const folder = join(import.meta.dirname, '../../../node_modules/.shiv-test')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}-${process.pid}.mjs`)
  await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: 'ts' },
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  })
  return {
    file,
    remove: () => {
      rmSync(file, { force: true })
      if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true })
    },
  }
}
