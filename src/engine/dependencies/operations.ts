import { ShivError } from '../../core/errors.ts'
import { didYouMean } from '../../core/suggest.ts'
import type { Faults, RemoteMode } from '../../plan/remote.ts'
import type { DependencyEvent } from '../dependency-ports.ts'
import { requireRun } from '../find-run.ts'
import type { Ask } from '../parts.ts'
import type { DependenciesResult, DependencyTailResult, Target } from '../results.ts'
import type { Run } from '../run.ts'
import type { Workshop } from '../workshop.ts'
import type { Held } from './run-dependencies.ts'
import type { Override } from './setting.ts'

/** How many events `tail` begins with where nothing else is asked. */
const SHOWN = 10
/** Events that wait for a reader who is slower than what passes; further ones are left out and counted. */
const WAITING = 1_000

export type DependencyTarget = Pick<Target, 'path'> & { name: string }

/** The dependencies of the run of a path, or those named, as they are served now. */
export async function listDependencies(shop: Workshop, params: { path: string; names: string[] }): Promise<DependenciesResult> {
  const run = requireLiving(shop, params.path)
  requireNamed(run, params.names)
  return resultOf(run, params.names)
}

/** Switches the mode of a dependency while everything runs; without `mode` it is again as service.yaml has it. Throws what it cannot be served by; then it stays as it was. */
export function switchMode(shop: Workshop, params: DependencyTarget & { mode?: RemoteMode }): Promise<DependenciesResult> {
  return override(shop, params, (before, held) => {
    const { mode: _switched, ...rest } = before
    return params.mode === undefined || params.mode === held.remote.mode ? rest : { ...rest, mode: params.mode }
  })
}

/** Switches what goes wrong on purpose. `null`: nothing; without `faults` as service.yaml has it. */
export function switchFaults(shop: Workshop, params: DependencyTarget & { faults?: Faults | null }): Promise<DependenciesResult> {
  return override(shop, params, (before, held) => {
    const { faults: _switched, ...rest } = before
    const isWritten = params.faults === undefined || (params.faults === null && held.remote.faults === undefined)
    return isWritten ? rest : { ...rest, faults: params.faults ?? null }
  })
}

/** Sends what passed as events: the last `tail` of each, in the order they came, then with `follow` what comes until the caller leaves. */
export async function tailDependencies(
  shop: Workshop,
  params: { path: string; names: string[]; follow: boolean; tail?: number },
  ask: Ask,
): Promise<DependencyTailResult> {
  const run = requireLiving(shop, params.path)
  const chosen = requireNamed(run, params.names)
  const { redactor } = shop.parts
  const kept = chosen.flatMap(({ ring }) => ring.last(params.tail ?? SHOWN)).sort((a, b) => a.time - b.time)
  let events = 0
  let skipped = 0
  let waiting = 0
  let last: Promise<void> = Promise.resolve()
  const send = (event: DependencyEvent): void => {
    if (waiting >= WAITING) return void (skipped += 1)
    events += 1
    waiting += 1
    last = last.then(() => ask.emit({ kind: 'dependency', event: redactor.deep(event) })).finally(() => (waiting -= 1))
  }
  for (const event of kept) send(event)
  const unlisten = params.follow ? chosen.map(({ ring }) => ring.listen(send)) : []
  if (params.follow) await untilAborted(ask.signal)
  for (const stop of unlisten) stop()
  await last
  return { version: 1, events, skipped }
}

async function override(
  shop: Workshop,
  { path, name }: DependencyTarget,
  change: (before: Override, held: Held) => Override,
): Promise<DependenciesResult> {
  const run = requireLiving(shop, path)
  const [held] = requireNamed(run, [name])
  const before = run.record.dependencies ?? {}
  const next = change(before[name] ?? {}, held!)
  const { [name]: _old, ...others } = before
  run.record = { ...run.record, dependencies: Object.keys(next).length > 0 ? { ...others, [name]: next } : others }
  try {
    await run.dependencies?.refresh(name)
  } catch (error) {
    const { [name]: _failed, ...rest } = run.record.dependencies ?? {}
    run.record = { ...run.record, dependencies: before[name] ? { ...rest, [name]: before[name] } : rest }
    throw error
  }
  await run.save()
  return resultOf(run, [name])
}

function resultOf(run: Run, names: string[]): DependenciesResult {
  const all = run.status().dependencies ?? []
  return {
    version: 1,
    workspace: run.record.workspace.name,
    dependencies: names.length === 0 ? all : all.filter(({ name }) => names.includes(name)),
  }
}

function requireLiving(shop: Workshop, path: string): Run {
  const run = requireRun(shop, path)
  if (run.record.state !== 'stopped') return run
  throw new ShivError(`${run.record.workspace.name} is stopped, and its dependencies with it.`, {
    code: 'RUN_NOT_STARTED',
    exit: 2,
    hint: 'shiv start',
  })
}

/** Those of the names, or all. Throws DEPENDENCY_UNKNOWN. */
function requireNamed(run: Run, names: string[]): Held[] {
  const all = run.dependencies?.all ?? []
  if (names.length === 0) return all
  return names.map((name) => {
    const held = all.find(({ remote }) => remote.name === name)
    if (held) return held
    const known = all.map(({ remote }) => remote.name)
    throw new ShivError(`${run.record.workspace.name} has no dependency ${name} outside of the workspace.`, {
      code: 'DEPENDENCY_UNKNOWN',
      exit: 2,
      hint: known.length > 0 ? didYouMean(name, known) : `add it to dependencies in service.yaml: - ${name}: { http: https://… }`,
    })
  })
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
