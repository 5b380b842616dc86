import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Taken, Variant } from '../../bench/experiment.ts'
import { ShivError } from '../../core/errors.ts'
import type { BuildResult } from '../../wire/messages.ts'
import { collectSpans } from './daemon-spans.ts'
import { BUILDING, chooseSource, nextVersion, openEdit } from './edits.ts'
import { sourceFiles } from './loops.ts'
import type { RunningSide, Subject } from './sides.ts'
import type { Stage } from './stage.ts'

/** Results of builds, by measure, service and side. */
export type BuildResults = Map<string, BuildResult[]>

export interface Builds {
  /** By side. */
  variants: Variant[][]
  remarks: string[]
  results: BuildResults
}

/** Files that name dependencies, and how a line that means nothing is added to each. */
const DEPENDENCY_FILES: Record<string, (text: string, version: string) => string> = {
  'package.json': (text, version) => `${JSON.stringify({ ...(JSON.parse(text) as object), shivBench: version }, null, 2)}\n`,
  'go.mod': (text, version) => `${text}\n// ${version}\n`,
  'requirements.txt': (text, version) => `${text}\n# ${version}\n`,
  'pyproject.toml': (text, version) => `${text}\n# ${version}\n`,
}

/** The builds of every service on every side: with nothing changed, one source file, the file that names dependencies, and from scratch. */
export async function buildVariants(sides: readonly RunningSide[], { services }: Subject, isAll: boolean): Promise<Builds> {
  const remarks: string[] = []
  const results: BuildResults = new Map()
  const variants: Variant[][] = sides.map(() => [])
  for (const service of services) {
    for (const [index, side] of sides.entries()) variants[index]!.push(...(await variantsOf(side, service, results, remarks)))
  }
  if (isAll && variants.every((own) => own.length === 0)) {
    throw new ShivError('No build of these services can be measured.', {
      code: 'BENCH_NO_FILE',
      exit: 2,
      hint: remarks[0] ?? 'shiv plan shows what is built',
    })
  }
  return { variants, remarks: [...new Set(remarks)], results }
}

async function variantsOf(side: RunningSide, name: string, results: BuildResults, remarks: string[]): Promise<Variant[]> {
  const { stage, plan } = side
  const service = plan.services.find((one) => one.name === name)!
  const common = { of: name, side: stage.side }
  const take =
    (measure: string, fresh = false) =>
    async (signal: AbortSignal): Promise<Taken> => {
      const { taken, result } = await timedBuild(stage, name, fresh, signal)
      const key = `${measure} ${name} ${stage.side}`
      results.set(key, [...(results.get(key) ?? []), result])
      return taken
    }
  const variants: Variant[] = [
    {
      ...common,
      measure: 'build.no-change',
      prepare: async (signal) => void (await timedBuild(stage, name, false, signal)),
      take: take('build.no-change'),
    },
    { ...common, measure: 'build.scratch', take: take('build.scratch', true) },
  ]
  const source = await chooseSource(stage, service, await sourceFiles(service.root), BUILDING).catch((error: unknown) => {
    if (error instanceof ShivError && error.code === 'BENCH_NO_FILE') return undefined
    throw error
  })
  if (source === undefined) remarks.push(`build.file ${name} is not measured: no source file of it can be edited`)
  else {
    const edit = await openEdit(source, service.root, stage.home)
    remarks.push(`build.file ${name}: saves of ${edit.name}`)
    variants.push(afterEdit({ ...common, measure: 'build.file' }, edit.save, edit.takeBack, take('build.file')))
  }
  const manifest = Object.keys(DEPENDENCY_FILES).find((file) => existsSync(join(service.root, file)))
  if (manifest === undefined)
    remarks.push(`build.dependency ${name} is not measured: it has none of ${Object.keys(DEPENDENCY_FILES).join(', ')}`)
  else {
    const path = join(service.root, manifest)
    const original = await readFile(path, 'utf8')
    const change = DEPENDENCY_FILES[manifest]!
    const save = () => writeFile(path, change(original, nextVersion()))
    variants.push(
      afterEdit({ ...common, measure: 'build.dependency' }, save, () => writeFile(path, original), take('build.dependency')),
    )
  }
  return variants
}

/** Edits before each sample, and takes it back behind it, so that the next measure begins with the tree as it was. */
function afterEdit(
  name: Pick<Variant, 'measure' | 'of' | 'side'>,
  save: () => Promise<void>,
  takeBack: () => Promise<void>,
  take: Variant['take'],
): Variant {
  return {
    ...name,
    prepare: save,
    take: (signal) => take(signal).finally(takeBack),
  }
}

async function timedBuild(
  stage: Stage,
  service: string,
  fresh: boolean,
  signal: AbortSignal,
): Promise<{ taken: Taken; result: BuildResult }> {
  const collector = collectSpans()
  const began = performance.now()
  const result = await stage.call<BuildResult>(
    { method: 'build', params: { ...stage.ask([service]), fresh, discard: false } },
    { signal, onEvent: collector.onEvent },
  )
  const ms = performance.now() - began
  const spans = collector.spans('request')
  const steps = result.images.flatMap((image) => {
    const parent = spans.find(({ name }) => name === `image ${image.service}`)
    return image.steps
      .filter(({ isCached }) => !isCached)
      .map((step) => ({
        name: `image ${image.service} › ${step.name}`,
        startMs: (parent?.startMs ?? 0) + step.startMs,
        ms: step.ms,
      }))
  })
  return { taken: { ms, spans: [...spans, ...steps] }, result }
}
