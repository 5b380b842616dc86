const SHORTEST_PAUSE_MS = 500
/** Of the time, at most a twentieth is spent on looking. */
const PAUSE_PER_WORK = 20
const SLICE_MS = 8

/** What lets others work once a slice of time was taken. */
export function slices(): () => Promise<void> {
  let began = performance.now()
  return async () => {
    if (performance.now() - began < SLICE_MS) return
    await new Promise((resolve) => setImmediate(resolve))
    began = performance.now()
  }
}

/** Does some work again and again, each time after a pause in proportion to what it cost the last time. */
export class Pauses {
  private timer: NodeJS.Timeout | undefined
  private run = 0
  private isRunning = false
  private sliceBegan = 0
  private workMs = 0
  private readonly work: () => Promise<void>
  private readonly shortestMs: number

  constructor(work: () => Promise<void>, shortestMs = SHORTEST_PAUSE_MS) {
    this.work = work
    this.shortestMs = shortestMs
  }

  /** Does nothing when it has begun. */
  begin(): void {
    if (this.isRunning) return
    this.isRunning = true
    this.run += 1
    this.pause()
  }

  end(): void {
    this.isRunning = false
    clearTimeout(this.timer)
  }

  /** For the work to call between its steps: lets others work once it has taken a slice of time. */
  async breathe(): Promise<void> {
    if (performance.now() - this.sliceBegan < SLICE_MS) return
    this.workMs += performance.now() - this.sliceBegan
    await new Promise((resolve) => setImmediate(resolve))
    this.sliceBegan = performance.now()
  }

  private pause(): void {
    this.timer = setTimeout(() => void this.turn(), Math.max(this.shortestMs, this.workMs * PAUSE_PER_WORK))
  }

  private async turn(): Promise<void> {
    const { run } = this
    this.workMs = 0
    this.sliceBegan = performance.now()
    await this.work()
    this.workMs += performance.now() - this.sliceBegan
    if (this.isRunning && run === this.run) this.pause()
  }
}
