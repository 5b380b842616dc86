import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { writeFileAtomic } from '../core/atomic-file.ts'
import type { ErrorShape } from '../core/errors.ts'
import type { Plan, RuntimeName } from '../plan/types.ts'
import type { Override } from './dependencies/setting.ts'
import type { RunState } from './results.ts'

/** What is kept of a run, enough for the next daemon to find it again. Holds no secret. */
export interface RunRecord {
  version: 1
  id: string
  workspace: { name: string; root: string }
  /** The last part of its host names: the workspace's name, or the id when another clone has that name. */
  place: string
  environment: string
  runtime: RuntimeName
  state: RunState
  /** Epoch milliseconds of the last change of state. */
  since: number
  /** Services that were asked for, with what they depend on. */
  services: string[]
  debug: boolean
  /** Absent: it is on. */
  reload?: boolean
  /** As the runtime got it. */
  plan: Plan
  /** What was switched of dependencies, by name; until the run is stopped. */
  dependencies?: Record<string, Override>
  error?: ErrorShape
}

export interface RunStore {
  /** The run's own folder, 0700. */
  folder(id: string): string
  /** Every record that can be understood; what cannot is set aside as `run.json.broken-…` and named in `warnings`. */
  load(): Promise<{ records: RunRecord[]; warnings: string[] }>
  /** Writes of one run happen in the order of the calls. */
  save(record: RunRecord): Promise<void>
  /** Forgets a run and everything in its folder. */
  forget(id: string): Promise<void>
}

export function createRunStore(home: string): RunStore {
  const runs = join(home, 'runs')
  const folder = (id: string): string => join(runs, id)
  const writes = new Map<string, Promise<void>>()

  const inOrder = (id: string, work: () => Promise<void>): Promise<void> => {
    const mine = (writes.get(id) ?? Promise.resolve()).then(work, work)
    writes.set(id, mine)
    const forgetMine = (): void => {
      if (writes.get(id) === mine) writes.delete(id)
    }
    mine.then(forgetMine, forgetMine)
    return mine
  }

  return {
    folder,
    async load() {
      const records: RunRecord[] = []
      const warnings: string[] = []
      for (const id of await list(runs)) {
        const path = join(folder(id), 'run.json')
        const text = await readIfThere(path).catch((error: Error) => {
          // A folder in its place, no right to read it, a bad disk: one run's trouble, not that of the others.
          warnings.push(`${path} could not be read: ${error.message}`)
          return undefined
        })
        if (text === undefined) continue
        const record = parseRecord(text)
        if (record?.id === id) records.push(record)
        else {
          const aside = `${path}.broken-${Date.now()}`
          await rename(path, aside)
          warnings.push(`${path} could not be understood and was set aside as ${aside}`)
        }
      }
      return { records, warnings }
    },
    save(record) {
      const text = `${JSON.stringify(record, null, 1)}\n`
      return inOrder(record.id, async () => {
        await mkdir(folder(record.id), { recursive: true, mode: 0o700 })
        await writeFileAtomic(join(folder(record.id), 'run.json'), text)
      })
    },
    forget: (id) => inOrder(id, () => rm(folder(id), { recursive: true, force: true })),
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    // A pipe in its place would never end.
    if (!(await stat(path)).isFile()) throw new Error('it is not a file')
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const STATES: RunState[] = ['starting', 'running', 'degraded', 'failed', 'stopping', 'stopped']
const RUNTIMES: RuntimeName[] = ['kind', 'process', 'context']

function parseRecord(text: string): RunRecord | undefined {
  let value: Partial<RunRecord> | null
  try {
    value = JSON.parse(text) as Partial<RunRecord> | null
  } catch {
    return undefined // cut short or overwritten; the caller sets it aside
  }
  const isRecord =
    value?.version === 1 &&
    typeof value.id === 'string' &&
    isName(value.workspace?.name) &&
    isPath(value.workspace?.root) &&
    typeof value.place === 'string' &&
    typeof value.environment === 'string' &&
    RUNTIMES.includes(value.runtime!) &&
    STATES.includes(value.state!) &&
    typeof value.since === 'number' &&
    isStrings(value.services) &&
    value.plan?.version === 1 &&
    isNamed(value.plan.services) &&
    value.plan.services.every(({ root }) => isPath(root)) &&
    isNamed(value.plan.databases) &&
    isObjects(value.plan.images) &&
    value.plan.images.every(({ service }) => isName(service)) &&
    isObjects(value.plan.objects)
  return isRecord ? (value as RunRecord) : undefined
}

const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

function isObjects(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null)
}

function isNamed(value: unknown): value is Record<string, unknown>[] {
  return isObjects(value) && value.every(({ name }) => isName(name))
}

/** An RFC 1123 label: names become parts of paths. */
function isName(value: unknown): boolean {
  return typeof value === 'string' && NAME.test(value)
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && isAbsolute(value)
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
