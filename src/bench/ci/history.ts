import type { HistoryEntry } from '../history.ts'
import type { Sample, Span } from '../samples.ts'
import { stageFigures, stagesDone, subjectOf } from './figures.ts'
import type { CiMeasure } from './gates.ts'
import { gatesOf, stageName, type CiReport, type Stage } from './report.ts'

/** What history keeps of a run: each of its figures as a measure with one sample. Undefined of a run that did not come to its end, whose times are of something else. */
export function ciEntry(report: CiReport): HistoryEntry | undefined {
  const {
    id,
    startedAt,
    durationMs,
    shiv,
    workspace,
    runtime = 'none',
    machine,
    source,
    timeline,
    failure,
    isInterrupted,
  } = report
  // What failed a gate is not usual, and would be after some tries if it were kept.
  if (failure !== undefined || isInterrupted || gatesOf(report).some(({ state }) => state === 'failed')) return undefined
  const sample = (ms: number, spans: Span[]): Sample => ({ ms, at: startedAt, spans })
  const figures: [string, Sample][] = [
    ...Object.entries(stageFigures(report.stages))
      // A deploy that found nothing to do is not what a deploy takes.
      .filter(([measure]) => measure !== 'ci.deploy' || report.deployments.every(({ isChanged }) => isChanged))
      .map(([measure, ms]): [string, Sample] => [
        measure,
        sample(ms, measure === 'ci.build' ? [] : spansOf(report.stages, measure)),
      ]),
    ['ci.total', sample(durationMs, report.stages.map(spanOf))],
    ...(timeline.leadMs === undefined ? [] : ([['ci.lead', sample(timeline.leadMs, legSpans(report))]] as [string, Sample][])),
  ]
  return {
    version: 1,
    id: `${id}/ci`,
    at: startedAt,
    shiv,
    workspace,
    runtime,
    side: {
      name: 'ci',
      measuredAt: startedAt,
      ...(source && { commit: source.commit, isDirty: source.isDirty }),
      ...(source?.branch !== undefined && { branch: source.branch }),
    },
    isBase: false,
    machine,
    series: figures.map(([measure, one]) => ({
      measure,
      of: subjectOf(measure as CiMeasure, report.services, stagesDone(report.stages)),
      samples: [one],
      ended: 'runs',
    })),
    isInterrupted: false,
  }
}

function spansOf(stages: readonly Stage[], measure: string): Span[] {
  return stages.filter(({ name, state }) => `ci.${name}` === measure && state === 'passed').flatMap(({ spans }) => spans)
}

function spanOf(stage: Stage): Span {
  return { name: stageName(stage), startMs: stage.startMs, ms: stage.ms }
}

function legSpans({ timeline: { instants, legs } }: CiReport): Span[] {
  const first = instants[0]?.at ?? 0
  return legs.map(({ from, to, ms }) => {
    const start = instants.find(({ moment }) => moment === from)?.at ?? first
    return { name: `${from} → ${to}`, startMs: start - first, ms }
  })
}
