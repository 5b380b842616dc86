import type { BodyReader } from './message.ts'

/** Turns a body that is pushed into one that is pulled; the source is held while a chunk waits. */
export class BodyQueue implements BodyReader, AsyncIterable<Buffer> {
  /** What was taken so far, when it was asked to be kept and is not too large. */
  kept: Buffer[] | undefined
  isEnded = false
  size = 0
  private readonly source: { pause(): void; resume(): void }
  private readonly keepUpTo: number
  private readonly waiting: Buffer[] = []
  private wake: (() => void) | undefined
  private isClosed = false

  constructor(source: { pause(): void; resume(): void }, keepUpTo = 0) {
    this.source = source
    this.keepUpTo = keepUpTo
    if (keepUpTo > 0) this.kept = []
  }

  onData(chunk: Buffer): void {
    this.size += chunk.length
    if (this.isClosed) return
    this.waiting.push(chunk)
    this.source.pause()
    this.wake?.()
  }

  onEnd(): void {
    this.isEnded = true
    this.wake?.()
  }

  /** Nobody reads on: what comes is dropped. */
  close(): void {
    this.isClosed = true
    this.waiting.length = 0
    this.wake?.()
    this.source.resume()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.waiting.shift()
      if (chunk !== undefined) {
        if (this.size > this.keepUpTo) this.kept = undefined
        this.kept?.push(chunk)
        yield chunk
        continue
      }
      if (this.isEnded || this.isClosed) return
      this.source.resume()
      await new Promise<void>((resolve) => (this.wake = resolve))
      this.wake = undefined
    }
  }
}
