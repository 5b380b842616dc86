const FIRST_MS = 2_000
const MOST_MS = 60_000

/** Does something again later, ever later while it does not help. */
export class Retry {
  private readonly work: () => void
  private readonly firstMs: number
  private pauseMs: number
  private timer: NodeJS.Timeout | undefined

  constructor(work: () => void, firstMs = FIRST_MS) {
    this.work = work
    this.firstMs = firstMs
    this.pauseMs = firstMs
  }

  plan(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(this.work, this.pauseMs).unref()
    this.pauseMs = Math.min(MOST_MS, this.pauseMs * 2)
  }

  cancel(): void {
    clearTimeout(this.timer)
  }

  /** It helped, or there is news: the next pause is a short one. */
  reset(): void {
    clearTimeout(this.timer)
    this.pauseMs = this.firstMs
  }
}
