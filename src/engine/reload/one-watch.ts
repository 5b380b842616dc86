import type { Watching } from '../ports.ts'

/** One watch, however often and from wherever it is asked for. */
export class OneWatch {
  private watching: Promise<Watching> | undefined

  /** Resolves when it watches. One that could not be made is made by the next call. */
  async open(watch: () => Promise<Watching>): Promise<void> {
    this.watching ??= watch().catch((error: unknown) => {
      this.watching = undefined
      throw error
    })
    await this.watching
  }

  /** Ends also one that is still being made. */
  async close(): Promise<void> {
    const watching = await this.watching?.catch(() => undefined) // told to who wanted it
    this.watching = undefined
    await watching?.close()
  }
}
