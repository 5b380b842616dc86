import { formatDuration } from '../../core/duration.ts'
import { gatesOf, type CiReport } from '../ci/report.ts'
import { owner, type Leg } from '../ci/timeline.ts'

/** One line: what ran, of which commit, and how it ended. */
export function ciHeadline(report: CiReport): string {
  const { workspace, source, durationMs } = report
  const commit = source ? ` at ${source.commit.slice(0, 12)}${source.isDirty ? ' with changes' : ''}` : ''
  return `${workspace}${commit}: ${outcomeOf(report)} in ${span(durationMs)}`
}

export function outcomeOf(report: CiReport): 'passed' | 'failed' | 'interrupted' {
  const { failure, isInterrupted } = report
  if (isInterrupted) return 'interrupted'
  return failure !== undefined || gatesOf(report).some(({ state }) => state === 'failed') ? 'failed' : 'passed'
}

/** `committed → queued`. */
export function legName({ from, to }: Pick<Leg, 'from' | 'to'>): string {
  return `${from} → ${to}`
}

/** A duration; below zero where two clocks disagree. */
export function span(ms: number): string {
  return ms < 0 ? `−${formatDuration(-ms)}` : formatDuration(ms)
}

/** What a leg took, and what is to be thought of it. */
export function legText(leg: Leg, report: CiReport): string {
  const clocks = [leg.from, leg.to].map((moment) => report.timeline.instants.find((one) => one.moment === moment)?.clock ?? '')
  const text = span(leg.ms)
  return leg.isOneClock ? text : `${text} (between ${clocks.map(owner).join(' and ')} clock)`
}

/** `1 difference`, `6 differences`. */
export function differencesText({ differences }: NonNullable<CiReport['parity']>): string {
  return `${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`
}
