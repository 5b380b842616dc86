/** A piece of a sample's time. Spans may overlap; the outermost follow one another or run side by side. */
export interface Span {
  /** With its parents: `image orders › RUN npm ci`. */
  name: string
  /** From the beginning of the sample. */
  startMs: number
  ms: number
}

/** What one measurement gave. Nothing of it is rounded. */
export interface Sample {
  ms: number
  /** Epoch milliseconds of its beginning. */
  at: number
  spans: Span[]
  remarks?: string[]
  /** The wall clock was set by so much meanwhile; durations come from the monotonic clock and are not touched by it. */
  clockStepMs?: number
}

/** Which figure: `loop`, `start.cold`, `build.file`; `of` is the service or workspace that it is of. */
export interface MeasureName {
  measure: string
  of: string
}

/** The samples of one measure on one side, in the order in which they were taken. */
export interface Series extends MeasureName {
  side: string
  samples: Sample[]
  /** Taken before and not counted. */
  warmUps: number
  /** Why no more were taken. `tight`: the interval of the median is; `budget`, `runs`: they are used up. */
  ended: 'tight' | 'budget' | 'runs' | 'interrupted' | 'failed'
  failure?: string
}

export function valuesOf({ samples }: { samples: readonly Sample[] }): number[] {
  return samples.map(({ ms }) => ms)
}

/** How a measure is spelled for people: `loop orders`. */
export function nameOf({ measure, of }: MeasureName): string {
  return `${measure} ${of}`
}
