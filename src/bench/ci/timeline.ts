/** The moments of a change on its way, in the order in which they happen. */
export const MOMENTS = [
  'committed',
  'queued',
  'started',
  'checked out',
  'begun',
  'up',
  'tested',
  'measured',
  'deploying',
  'built',
  'pushed',
  'applied',
  'healthy',
  'answered',
  'proven',
  'finished',
] as const
export type Moment = (typeof MOMENTS)[number]

export interface Instant {
  moment: Moment
  /** Epoch milliseconds, by the clock that `clock` names. */
  at: number
  /** Whose clock told it: `committer`, `machine` (this one), or the pipeline's server by its name: `GitLab`. */
  clock: string
}

/** What passed between two moments. */
export interface Leg {
  from: Moment
  to: Moment
  /** As the clocks told it: not corrected, and below zero where they disagree. */
  ms: number
  /** Both moments were told by one clock, so the duration is one. */
  isOneClock: boolean
}

/** What is known of how far another clock is ahead of this machine's, milliseconds; the truth lies between `low` and `high`. */
export interface ClockOffset {
  clock: string
  low: number
  high: number
}

export interface Timeline {
  /** Those that are known, in the order of their happening. */
  instants: Instant[]
  legs: Leg[]
  /** Milliseconds from the commit to the first answer of the new version; absent where either is unknown or the clocks disagree. */
  leadMs?: number
  /** In words: which clocks disagree, and by how much at least. */
  skew: string[]
  /** In words: what cannot be known, and why. */
  unknown: string[]
}

/** Two clocks that differ by less are taken for one: commits have whole seconds. */
const TOLERANCE_MS = 1_000

/**
 * Puts the moments in order and says what passed between them. No time is corrected: a moment that was told later than what came after it shows that
 * two clocks differ by at least that much, which is named, and then nothing is concluded across these two.
 */
export function timelineOf(told: readonly Instant[], offsets: readonly ClockOffset[] = []): Timeline {
  const instants = MOMENTS.flatMap((moment) => told.find((one) => one.moment === moment) ?? [])
  const legs = instants.slice(1).map((to, index): Leg => {
    const from = instants[index]!
    return { from: from.moment, to: to.moment, ms: to.at - from.at, isOneClock: from.clock === to.clock }
  })
  const disagreeing = disagreements(instants)
  const [commit, answer] = [find(instants, 'committed'), find(instants, 'answered')]
  const canConclude = !disagreeing.some(({ early }) => early.moment === 'committed')
  const lead = commit && answer && canConclude ? answer.at - commit.at : undefined
  return {
    instants,
    legs,
    ...(lead !== undefined && { leadMs: lead }),
    skew: [...disagreeing.map(({ words }) => words), ...offsets.flatMap(offsetWords)],
    unknown: commit && !canConclude ? ['how long ago the commit was made: its clock and the others disagree'] : [],
  }
}

/** Of each pair of clocks the disagreement that shows most. */
function disagreements(instants: readonly Instant[]): { early: Instant; words: string }[] {
  const worst = new Map<string, { early: Instant; late: Instant; by: number }>()
  for (const [index, early] of instants.entries()) {
    for (const late of instants.slice(index + 1)) {
      const by = early.at - late.at
      const key = `${early.clock}\n${late.clock}`
      if (early.clock === late.clock || by <= TOLERANCE_MS || by <= (worst.get(key)?.by ?? 0)) continue
      worst.set(key, { early, late, by })
    }
  }
  return [...worst.values()].map(({ early, late, by }) => ({
    early,
    words: `${owner(early.clock)} clock is at least ${seconds(by)} ahead of ${owner(late.clock)}: it says ${iso(early.at)} for ${early.moment}, before ${late.moment} at ${iso(late.at)}`,
  }))
}

function offsetWords({ clock, low, high }: ClockOffset): string[] {
  if (low <= TOLERANCE_MS && high >= -TOLERANCE_MS) return []
  const [least, most] = low > 0 ? [low, high] : [-high, -low]
  const direction = low > 0 ? 'ahead of' : 'behind'
  return [`${owner(clock)} clock is ${seconds(least)} to ${seconds(most)} ${direction} this machine's`]
}

/** As a sentence has it. */
export function owner(clock: string): string {
  return clock === 'machine' ? "this machine's" : clock === 'committer' ? "the committer's" : `${clock}'s`
}

function find(instants: readonly Instant[], moment: Moment): Instant | undefined {
  return instants.find((one) => one.moment === moment)
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
