import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { PipelineFacts } from '../../generate/ci/facts.ts'
import type { Platform, Setting } from '../../generate/ci/setup.ts'

/** The jobs of a pipeline, and when each runs. */
export function jobsOf({ branch, staging, production }: PipelineFacts, platform: Platform): { job: string; when: string }[] {
  const [request, prefix, at] =
    platform === 'github' ? ['pull requests', '', branch] : ['merge requests', 'shiv-', 'the default branch']
  return [
    { job: `${prefix}check`, when: staging ? request : `${request} and ${at}` },
    ...(staging ? [{ job: `${prefix}deploy`, when: `${at}, to ${staging.name}` }] : []),
    ...(production ? [{ job: `${prefix}release`, when: `after that, to ${production.name}, when somebody releases it` }] : []),
  ]
}

/** What somebody has to know who now has the file: its jobs, where nothing is deployed to, and what is to be set up, a line each. */
export function renderPipeline(
  { facts, platform, settings }: { facts: PipelineFacts; platform: Platform; settings: Setting[] },
  style: Style,
): string[] {
  const jobs = jobsOf(facts, platform).map(({ job, when }) => [job, harmless(when)])
  const rows = settings.map(({ name, environment, isNeeded, how, about }) => [
    name,
    environment === undefined ? '' : harmless(environment),
    isNeeded ? 'needed' : '',
    harmless(how),
    style.dim(about),
  ])
  return [
    ...renderTable(jobs, { indent: 2 }),
    ...facts.left.map(({ environment, why }) => harmless(`  nothing is deployed to ${environment}: ${why}`)),
    '',
    'to be set up:',
    ...renderTable(rows, { indent: 2 }),
  ]
}
