import { readFile, rename, writeFile } from 'node:fs/promises'
import { extname, join, relative } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { Plan, WhyResult } from '../../wire/messages.ts'
import type { Stage } from './stage.ts'

type ServicePlan = Plan['services'][number]

/** A line that changes what a file says and nothing that it does; compilers and bundlers keep it. `{}` is the version. */
const LINES: Record<string, string> = {
  '.js': '\nglobalThis.shivBench = {};\n',
  '.mjs': '\nglobalThis.shivBench = {};\n',
  '.cjs': '\nglobalThis.shivBench = {};\n',
  '.ts': '\nObject.assign(globalThis, { shivBench: {} });\n',
  '.mts': '\nObject.assign(globalThis, { shivBench: {} });\n',
  '.go': '\nvar shivBench = {}\n',
  '.py': '\nshiv_bench = {}\n',
  '.rb': '\n$shiv_bench = {}\n',
}
/** What a save does that is answered by new code without another image. */
const RELOADING = ['sync', 'build']
/** What a save does to a file that images are made of. */
export const BUILDING = ['sync', 'build', 'image', 'unmatched']

/** Names that say that a service begins there. */
const ENTRIES = /(^|\/)(server|main|index|app)\.\w+$/

/** A file of a stage that is edited again and again; it ends as it began. */
export interface Edit {
  /** Absolute. */
  file: string
  /** Relative to the service. */
  name: string
  /** Saves it with another version of its last line. */
  save(): Promise<void>
  takeBack(): Promise<void>
}

/**
 * The source file of a service that an edit is measured on: one whose save does one of `actions`, by the service's own reload rules; where
 * several do, the one that the service begins in. Throws BENCH_NO_FILE.
 */
export async function chooseSource(
  stage: Stage,
  service: ServicePlan,
  files: string[],
  actions: readonly string[] = RELOADING,
): Promise<string> {
  const candidates = files
    .filter((file) => extname(file) in LINES && !/(^|[._/-])(test|spec|e2e|tests|__tests__|testdata)([._/-]|$)/.test(file))
    .sort((a, b) => rank(a, service) - rank(b, service) || a.length - b.length || (a < b ? -1 : 1))
    .slice(0, 50)
  const answer = await stage.call<WhyResult>({
    method: 'why',
    params: { ...stage.ask([service.name]), files: candidates.map((file) => join(service.root, file)) },
  })
  const chosen = answer.files.find(({ verdicts }) =>
    verdicts.some(({ action, services }) => actions.includes(action) && services.includes(service.name)),
  )
  if (chosen) return chosen.file
  throw new ShivError(`No source file of ${service.name} can be edited to measure a loop.`, {
    code: 'BENCH_NO_FILE',
    exit: 2,
    hint: `it takes a ${Object.keys(LINES).join(', ')} file whose save reloads the service: shiv why ${candidates[0] ?? 'FILE'}`,
  })
}

/** What the service's command names comes first, then usual names of beginnings. */
function rank(file: string, service: ServicePlan): number {
  const stem = file.replace(/\.\w+$/, '')
  const words = [...(service.command ?? []), ...service.language.process.run].map((word) =>
    word.replace(/^\.?\/?(dist|build|out)\//, ''),
  )
  if (words.some((word) => word.replace(/\.\w+$/, '').endsWith(stem) || stem.endsWith(`/${word.replace(/\.\w+$/, '')}`))) return 0
  return ENTRIES.test(file) ? 1 : 2
}

/** Files below a folder of a stage, relative to it: those that the copy was made of. */
export async function filesBelow(stage: Stage, folder: string, list: (folder: string) => Promise<string[]>): Promise<string[]> {
  const all = await list(stage.root)
  const prefix = relative(stage.root, folder)
  return all.flatMap((path) => {
    if (prefix === '') return [path]
    return path.startsWith(`${prefix}/`) ? [path.slice(prefix.length + 1)] : []
  })
}

/** Opens a file for edits; `aside` is a folder beside the tree. A save appears whole, as most editors write: half of one would be a loop of its own. The version counts up over all edits of a process, so that none is ever equal to one before. */
export async function openEdit(file: string, serviceRoot: string, aside: string): Promise<Edit> {
  const original = await readFile(file, 'utf8')
  const line = LINES[extname(file)]!
  return {
    file,
    name: relative(serviceRoot, file),
    save: () => replaceFile(file, original + line.replace('{}', JSON.stringify(nextVersion())), aside),
    takeBack: () => replaceFile(file, original, aside),
  }
}

export async function replaceFile(file: string, text: string, aside: string): Promise<void> {
  const whole = join(aside, 'edit')
  await writeFile(whole, text)
  await rename(whole, file)
}

let version = 0

/** Of one length, so that no save is larger than the others. */
export function nextVersion(): string {
  return `${Date.now().toString(36)}-${String((version += 1)).padStart(6, '0')}`
}
