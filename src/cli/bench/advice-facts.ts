import { advise, type Advice, type AdviceFacts } from '../../bench/advice.ts'
import { valuesOf, type Series } from '../../bench/samples.ts'
import { spanMedians } from '../../bench/span-diff.ts'
import { median } from '../../bench/statistics.ts'
import type { Plan } from '../../wire/messages.ts'
import type { BuildResults } from './build-subject.ts'
import type { RunningSide, Subject } from './sides.ts'

/** Advice on every service of a side, from what was measured of it and what its Plan says. */
export async function adviseAll(
  here: RunningSide,
  { plan }: Subject,
  series: readonly Series[],
  builds: BuildResults,
): Promise<Advice[]> {
  return here.plan.services.flatMap((service) => {
    const own = series.filter(({ of, side }) => of === service.name && side === here.side.name)
    return advise({ ...factsOf(service, own, builds, here.side.name), ...readinessOf(plan, service.name) })
  })
}

function factsOf(service: Plan['services'][number], series: readonly Series[], builds: BuildResults, side: string): AdviceFacts {
  const facts: AdviceFacts = { service: service.name, loopCommands: commandsOf(service) }
  const loop = series.find(({ measure, samples }) => measure === 'loop' && samples.length > 0)
  if (loop) facts.loop = { ms: median(valuesOf(loop)), spans: spanMedians(loop.samples) }
  const results = [...builds].filter(([key]) => key.endsWith(` ${service.name} ${side}`)).flatMap(([, all]) => all)
  const context = results.flatMap(({ images }) => images.flatMap((image) => image.context ?? [])).at(-1)
  if (context) facts.context = context
  const fileBuild = series.find(({ measure, samples }) => measure === 'build.file' && samples.length > 0)
  const images = (builds.get(`build.file ${service.name} ${side}`) ?? []).at(-1)?.images ?? []
  if (fileBuild && images.length > 0)
    facts.fileBuild = { ms: median(valuesOf(fileBuild)), steps: images.flatMap(({ steps }) => steps) }
  return facts
}

/** What rules for source files run; those for files that name dependencies may install. */
function commandsOf({ reload }: Plan['services'][number]): string[] {
  return (reload?.rules ?? []).flatMap((rule) => (rule.do === 'build' ? [rule.run.join(' ')] : []))
}

/** Production's probe of a service, from the Deployment that it would get. */
function readinessOf(plan: Plan, service: string): Pick<AdviceFacts, 'readiness'> {
  const workload = plan.objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === service)
  const containers = (
    workload?.['spec'] as { template?: { spec?: { containers?: { readinessProbe?: { periodSeconds?: number } }[] } } } | undefined
  )?.template?.spec?.containers
  const seconds = containers?.[0]?.readinessProbe?.periodSeconds
  return seconds === undefined ? {} : { readiness: { periodMs: seconds * 1_000 } }
}
