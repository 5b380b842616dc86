import { readFile } from 'node:fs/promises'
import type { ClockOffset, Instant } from '../../bench/ci/timeline.ts'
import type { CiSource } from '../../bench/ci/report.ts'
import { pipelineOf, type Pipeline } from '../../core/pipeline.ts'
import { git, isDirty, repositoryOf } from '../bench/git.ts'

/** How long a CI's server may take to say what time it is. */
const CLOCK_TIMEOUT_MS = 3_000

/** What is known before anything is done: where this runs, of which commit, and when that began. */
export interface CiFacts {
  pipeline?: Pipeline
  source?: CiSource
  instants: Instant[]
  offsets: ClockOffset[]
  unknown: string[]
  remarks: string[]
}

/** Gathers what git and the CI say. Never throws: what cannot be known is named. */
export async function gatherFacts(root: string, environment: NodeJS.ProcessEnv): Promise<CiFacts> {
  const pipeline = await readPipeline(environment)
  const [{ source, unknown }, offsets] = await Promise.all([readSource(root), clockOffset(pipeline)])
  const { queued, started, checkedOut } = pipeline?.times ?? {}
  const server = pipeline?.name ?? 'machine'
  // A time that a step of the pipeline wrote down is the runner's.
  const startedBy = environment['SHIV_CI_STARTED_AT'] ? 'machine' : server
  const told: [Instant['moment'], number | undefined, string][] = [
    ['committed', source?.committedAt, 'committer'],
    ['queued', queued, server],
    ['started', started, startedBy],
    ['checked out', checkedOut, 'machine'],
  ]
  const instants = told.flatMap(([moment, at, clock]) => (at === undefined ? [] : [{ moment, at, clock }]))
  return {
    ...(pipeline && { pipeline }),
    ...(source && { source }),
    instants,
    offsets,
    unknown: [...unknown, ...missingTimes(pipeline)],
    remarks: pipeline?.commit && source && pipeline.commit !== source.commit ? [otherCommit(pipeline.commit, source.commit)] : [],
  }
}

function otherCommit(pipeline: string, source: string): string {
  return `the pipeline is of commit ${pipeline.slice(0, 12)}, the checkout is at ${source.slice(0, 12)}`
}

function missingTimes(pipeline: Pipeline | undefined): string[] {
  if (pipeline === undefined) return []
  const variables = { queued: 'SHIV_CI_QUEUED_AT', started: 'SHIV_CI_STARTED_AT', checkedOut: 'SHIV_CI_CHECKED_OUT_AT' }
  const words = { queued: 'when it was queued', started: 'when the job started', checkedOut: 'when the checkout was done' }
  return (['queued', 'started', 'checkedOut'] as const)
    .filter((name) => pipeline.times[name] === undefined)
    .map((name) => `${words[name]}: ${pipeline.name} does not tell, and no step has set ${variables[name]}`)
}

/** GitHub tells in the event when the push arrived; its jobs have no other time in their environment. */
async function readPipeline(environment: NodeJS.ProcessEnv): Promise<Pipeline | undefined> {
  const pipeline = pipelineOf(environment)
  const path = environment['GITHUB_EVENT_PATH']
  // A run that somebody starts again was queued then, and the event is still the first one.
  const isAgain = Number(environment['GITHUB_RUN_ATTEMPT'] ?? 1) > 1
  if (pipeline?.name !== 'GitHub Actions' || pipeline.times.queued !== undefined || !path || isAgain) return pipeline
  const queued = await readFile(path, 'utf8').then(pushedAt, () => undefined)
  return queued === undefined ? pipeline : { ...pipeline, times: { ...pipeline.times, queued } }
}

/** Of a push event: `repository.pushed_at`, whole seconds. Of other events it is another push's. */
function pushedAt(text: string): number | undefined {
  try {
    const event = JSON.parse(text) as { head_commit?: unknown; repository?: { pushed_at?: unknown } }
    const at = event.repository?.pushed_at
    return event.head_commit && typeof at === 'number' ? at * 1_000 : undefined
  } catch {
    return undefined // it says nothing then
  }
}

async function readSource(root: string): Promise<{ source?: CiSource; unknown: string[] }> {
  const repository = await repositoryOf(root)
  if (repository?.commit === undefined) {
    return { unknown: [`which commit this is: ${root} is in no git repository, or nothing was committed, or there is no git`] }
  }
  const { commit, branch, isShallow } = repository
  const format = ['-c', 'log.showSignature=false', 'log', '-1', '--format=%at%x09%ct%x09%s', commit]
  const [line, dirty] = await Promise.all([git(root, format), isDirty(root)])
  const [authored, committed, ...subject] = line.trim().split('\t')
  const unknown = isShallow
    ? [
        'which commits came since the last release, and how old the first of them is: this clone is shallow (git fetch --unshallow)',
      ]
    : []
  return {
    source: {
      commit,
      subject: subject.join(' ').slice(0, 200),
      authoredAt: Number(authored) * 1_000,
      committedAt: Number(committed) * 1_000,
      ...(branch !== undefined && { branch }),
      isDirty: dirty,
      isShallow,
    },
    unknown,
  }
}

/** How far the CI server's clock is from this machine's, by the Date of one answer, which has whole seconds; nothing where it does not answer. */
export async function clockOffset(pipeline: Pipeline | undefined): Promise<ClockOffset[]> {
  if (pipeline?.server === undefined || !/^https?:\/\//.test(pipeline.server)) return []
  try {
    const asked = Date.now()
    const response = await fetch(pipeline.server, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(CLOCK_TIMEOUT_MS),
    })
    const answered = Date.now()
    const date = Date.parse(response.headers.get('date') ?? '')
    if (Number.isNaN(date)) return []
    return [{ clock: pipeline.name, low: date - answered, high: date + 1_000 - asked }]
  } catch {
    return [] // a server that this machine does not reach tells no time
  }
}
