import { createPacer, type Pacer } from './pacer.ts'

/** Holds one direction of a body for as long as anything asks for it: the reader's buffers, a recorder, a rate. */
export class Flow {
  private readonly source: { pause(): void; resume(): void }
  private holds = 0
  private isFull = false

  constructor(source: { pause(): void; resume(): void }) {
    this.source = source
  }

  hold(): void {
    this.holds += 1
    if (this.holds === 1) this.source.pause()
  }

  release(): void {
    this.holds -= 1
    if (this.holds === 0) this.source.resume()
  }

  /** The reader is full until `drained`. */
  full(): void {
    if (this.isFull) return
    this.isFull = true
    this.hold()
  }

  drained(): void {
    if (!this.isFull) return
    this.isFull = false
    this.release()
  }

  /** Holds until the promise settles. */
  await(promise: Promise<void>): void {
    const release = (): void => this.release()
    this.hold()
    promise.then(release, release)
  }
}

/** Lets the bytes of a direction through at a rate; the flow is held while some wait. */
export function pacedFlow(rate: number, flow: Flow, deliver: (chunk: Buffer) => void): Pacer {
  return createPacer(
    rate,
    deliver,
    () => flow.hold(),
    () => flow.release(),
  )
}
