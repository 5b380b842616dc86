import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { ShivError } from '../core/errors.ts'
import { didYouMean } from '../core/suggest.ts'
import type { Workshop } from './workshop.ts'
import type { Run } from './run.ts'

/** The run of the workspace at `root`. */
export function runAt(shop: Workshop, root: string): Run | undefined {
  return [...shop.runs.values()].find((run) => run.record.workspace.root === root)
}

/** The run of the nearest shiv.yaml upward; without one, the innermost run whose folder holds `path`, which may be gone by now. */
export function findRun(shop: Workshop, path: string): Run | undefined {
  const place = real(path)
  const root = nearestWorkspace(place)
  const byRoot = root === undefined ? undefined : runAt(shop, root)
  if (byRoot) return byRoot
  return [...shop.runs.values()]
    .filter(({ record }) => isWithin(place, record.workspace.root))
    .sort((a, b) => b.record.workspace.root.length - a.record.workspace.root.length)[0]
}

function nearestWorkspace(place: string): string | undefined {
  for (let folder = place; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'shiv.yaml'))) return folder
    if (folder === dirname(folder)) return undefined
  }
}

/** As `findRun`; throws RUN_NOT_FOUND when the workspace was never started. */
export function requireRun(shop: Workshop, path: string): Run {
  const run = findRun(shop, path)
  if (run) return run
  throw new ShivError(`Nothing was started from ${path}.`, {
    code: 'RUN_NOT_FOUND',
    exit: 2,
    hint: 'shiv start, or shiv status --all for what runs elsewhere',
  })
}

/** Checks names against the run's services; throws SERVICE_UNKNOWN. */
export function requireServices(run: Run, names: string[]): void {
  const known = run.record.plan.services.map((service) => service.name)
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  const database = run.record.plan.databases.find(({ name }) => unknown.includes(name))
  if (database !== undefined) {
    throw new ShivError(`${database.name} is a database; this is for services.`, {
      code: 'SERVICE_UNKNOWN',
      exit: 2,
      hint: `its address: shiv status · its lines: shiv logs ${database.name}${known.length > 0 ? ` · the services: ${known.join(', ')}` : ''}`,
    })
  }
  throw new ShivError(`${run.record.workspace.name} runs no service ${unknown.join(', ')}.`, {
    code: 'SERVICE_UNKNOWN',
    exit: 2,
    hint: known.length > 0 ? `what it runs: ${known.join(', ')}` : 'shiv start',
  })
}

/** Checks names against what the run logs, its services and databases; throws SERVICE_UNKNOWN. */
export function requireSources(run: Run, names: string[]): void {
  const { services, databases } = run.record.plan
  const known = [...services, ...databases].map(({ name }) => name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return
  const owner = services.find(({ name, workers, cron }) =>
    [...workers, ...cron].some((part) => unknown === part.name || unknown === `${name}-${part.name}`),
  )
  throw new ShivError(`${run.record.workspace.name} has no log called ${unknown}.`, {
    code: 'SERVICE_UNKNOWN',
    exit: 2,
    hint: owner ? `its lines are among those of ${owner.name}: shiv logs ${owner.name}` : didYouMean(unknown, known),
  })
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

export function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path // it is gone, and is still the name of what ran there
  }
}
