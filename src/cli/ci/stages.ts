import { toErrorShape } from '../../core/errors.ts'
import { stageName, type CiReport, type Stage, type StageName } from '../../bench/ci/report.ts'
import type { Instant } from '../../bench/ci/timeline.ts'
import type { Span } from '../../bench/samples.ts'
import type { LogMarks } from './log-marks.ts'

/** What a stage has to say beside its time. */
export interface StageNotes {
  spans?: Span[]
  why?: string
}

/** Does one stage after the other and times them. After a failure or an interruption those that are left are skipped; what has to be taken down is not. */
export class Stages {
  readonly list: Stage[] = []
  readonly instants: Instant[] = []
  failure: CiReport['failure']
  /** What was thrown; its shape is `failure`. */
  error: unknown
  private readonly began: number
  private readonly marks: LogMarks
  private readonly write: (text: string) => void
  private readonly signal: AbortSignal

  constructor(options: { began: number; marks: LogMarks; write: (text: string) => void; signal: AbortSignal }) {
    this.began = options.began
    this.marks = options.marks
    this.write = options.write
    this.signal = options.signal
  }

  /** `isTakingDown`: it is done whatever came before. Undefined where it was skipped or failed. */
  async run<T>(
    name: StageName,
    { of, isTakingDown = false }: { of?: string; isTakingDown?: boolean },
    work: (notes: StageNotes) => Promise<T>,
  ): Promise<T | undefined> {
    const startMs = performance.now() - this.began
    const stage: Stage = { name, ...(of !== undefined && { of }), state: 'passed', startMs, ms: 0, spans: [] }
    this.list.push(stage)
    if (!isTakingDown && this.isOver) {
      Object.assign(stage, { state: 'skipped', why: this.signal.aborted ? 'interrupted' : `${this.failure?.stage} failed` })
      return undefined
    }
    const title = stageName(stage)
    this.write(this.marks.begin(title))
    const notes: StageNotes = {}
    try {
      return await work(notes)
    } catch (error) {
      stage.state = 'failed'
      const shape = toErrorShape(error)
      notes.why ??= `${shape.code}: ${shape.message}`
      if (this.failure === undefined) {
        this.failure = { ...shape, stage: name }
        this.error = error
      }
      return undefined
    } finally {
      stage.ms = performance.now() - this.began - startMs
      Object.assign(stage, notes)
      this.write(this.marks.end(title))
    }
  }

  /** Says of a stage why it is not done. */
  skip(name: StageName, why: string, of?: string): void {
    const startMs = performance.now() - this.began
    this.list.push({ name, ...(of !== undefined && { of }), state: 'skipped', startMs, ms: 0, spans: [], why })
  }

  reached(moment: Instant['moment'], at = Date.now()): void {
    this.instants.push({ moment, at, clock: 'machine' })
  }

  get isOver(): boolean {
    return this.signal.aborted || this.failure !== undefined
  }
}
