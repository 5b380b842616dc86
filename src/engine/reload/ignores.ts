import type { Plan, ServicePlan } from '../../plan/types.ts'
import { compileIgnoreRules, type IgnoreRules } from '../../spec/ignore-rules.ts'
import { join, relative, sep } from 'node:path'

/** What of a service's folder is not watched, read from its ignore files as they are now. */
export function ignoreRulesOf(service: ServicePlan, plan: Plan): IgnoreRules {
  const source = plan.runtime === 'process' ? undefined : plan.images.find((image) => image.service === service.name)?.source
  const rules = service.reload?.rules ?? []
  const recordings = recordingsBelow(service, plan)
  if (source?.kind !== 'build') return compileIgnoreRules({ root: service.root, rules, recordings })
  const docker = {
    context: source.context,
    ...('path' in source.dockerfile && { dockerfile: relative(source.context, source.dockerfile.path) }),
    preset: { from: `preset ${service.language.name}`, lines: source.ignore },
  }
  return compileIgnoreRules({ root: service.root, rules, docker, recordings })
}

/** Where this service's folder holds recordings of any dependency of the Plan. What is not HTTP is written as JSON lines, also where a `.har` is named. */
function recordingsBelow(service: ServicePlan, plan: Plan): string[] {
  return (plan.remotes ?? []).flatMap(({ recording: { file } }) =>
    [file, file.replace(/\.har$/, '.jsonl')].map((name) =>
      relative(service.root, join(plan.workspace.root, name)).split(sep).join('/'),
    ),
  )
}

/** Whether a watcher hears of a path: it and the folders that it is in are not ignored. */
export function isHeard(path: string, isIgnored: IgnoreRules['isIgnored']): boolean {
  const parts = path.split('/')
  return parts.every((_, index) => !isIgnored(parts.slice(0, index + 1).join('/'), index < parts.length - 1))
}
