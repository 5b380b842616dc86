import type { ErrorShape } from '../../core/errors.ts'
import type { Pipeline } from '../../core/pipeline.ts'
import type { GateVerdict } from '../gates.ts'
import type { MachineFacts } from '../machine.ts'
import type { BenchReport } from '../report.ts'
import type { Span } from '../samples.ts'
import type { Timeline } from './timeline.ts'

export type StageName = 'start' | 'parity' | 'test' | 'stop' | 'bench' | 'deploy'

/** A run of `shiv ci`, as it is stored and handed on. Its JSON Schema is docs/ci.schema.json. */
export interface CiReport {
  version: 1
  kind: 'ci'
  id: string
  /** Epoch milliseconds. */
  startedAt: number
  durationMs: number
  /** Release of shiv. */
  shiv: string
  workspace: string
  services: string[]
  /** Absent where nothing was started. */
  runtime?: string
  machine: MachineFacts & { class: string }
  pipeline?: PipelineFacts
  source?: CiSource
  timeline: Timeline
  stages: Stage[]
  tests: TestOutcome[]
  deployments: Deployment[]
  /** How much of production the started system has, as the world answered; absent where it was not asked. */
  parity?: { score: number; differences: Difference[] }
  bench?: BenchReport
  /** On the figures of this run; those of `bench` are with it. */
  gates: GateVerdict[]
  /** What ended it. */
  failure?: ErrorShape & { stage: StageName }
  /** What a reader must know to judge the figures. */
  remarks: string[]
  isInterrupted: boolean
}

export interface PipelineFacts {
  name: Pipeline['name']
  url?: string
  user?: string
  ref?: string
  /** Number of the pull or merge request. */
  change?: string
}

export interface CiSource {
  /** Full hash. */
  commit: string
  subject: string
  /** Epoch milliseconds by the author's and the committer's clocks, whole seconds. */
  authoredAt: number
  committedAt: number
  branch?: string
  isDirty: boolean
  isShallow: boolean
}

/** One thing that was done, or was not. Times are of this machine's monotonic clock, nothing rounded. */
export interface Stage {
  name: StageName
  /** The service, where it is of one. */
  of?: string
  state: 'passed' | 'failed' | 'skipped'
  /** From the beginning of the run. */
  startMs: number
  ms: number
  spans: Span[]
  /** Why it was skipped, or how it ended. */
  why?: string
}

/** One fact of production that the started system has otherwise, or not at all. */
export interface Difference {
  id: string
  title: string
  production: string
  local?: string
  why?: string
}

export interface TestOutcome {
  service: string
  passed: boolean
  ms: number
  command: string[]
  /** The last that a run that failed wrote. */
  lines: string[]
}

export interface Deployment {
  service: string
  environment: string
  revision: number
  /** `false`: it was what served already. */
  isChanged: boolean
  digest: string
  ms: number
  url?: string
}

/** `start`, `deploy orders`. */
export function stageName({ name, of }: Pick<Stage, 'name' | 'of'>): string {
  return of === undefined ? name : `${name} ${of}`
}

/** Every verdict of a run: those on its own figures, and those of its bench. */
export function gatesOf({ gates, bench }: Pick<CiReport, 'gates' | 'bench'>): GateVerdict[] {
  return [...gates, ...(bench?.gates ?? [])]
}
