import type { DependencyEvent, ServedBy } from '../../../engine/dependency-ports.ts'
import type { Course } from './course.ts'
import type { Inbound } from './message.ts'
import { summaryOf } from './summary.ts'

/** How a request ended. */
export interface Ending {
  outcome: DependencyEvent['outcome']
  servedBy: ServedBy
  status?: string
  cause?: string
  sentBytes: number
  receivedBytes: number
}

/** What is told of a request when it is over. Holds no more of it than that: an upgraded connection may last for days. */
export class Account {
  readonly time = Date.now()
  /** Gives the recording back. */
  release: (() => void) | undefined
  private readonly began = performance.now()
  private readonly method: string
  private readonly target: string
  private readonly course: Course
  private readonly onEvent: (event: DependencyEvent) => void

  constructor({ method, target }: Inbound, course: Course, onEvent: (event: DependencyEvent) => void) {
    this.method = method
    this.target = target
    this.course = course
    this.onEvent = onEvent
  }

  tell(ending: Ending): void {
    this.release?.()
    this.release = undefined
    const { name, protocol } = this.course.setting
    // Written out: a spread costs more than all the rest of this.
    this.onEvent({
      dependency: name,
      time: this.time,
      durationMs: performance.now() - this.began,
      protocol,
      summary: summaryOf(this.method, this.target),
      outcome: ending.outcome,
      status: ending.status,
      servedBy: ending.servedBy,
      cause: ending.cause,
      sentBytes: ending.sentBytes,
      receivedBytes: ending.receivedBytes,
    })
  }
}
