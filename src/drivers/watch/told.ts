import type { WatchWarning } from '../../engine/ports.ts'

/** Warnings that are told once, however often they are met. */
export class Told {
  private readonly known = new Set<string>()
  private readonly tell: (warning: WatchWarning) => void

  constructor(tell: (warning: WatchWarning) => void) {
    this.tell = tell
  }

  once(warning: WatchWarning): void {
    const key = warning.code === 'WATCH_LIMIT' ? warning.code : warning.message
    if (this.known.has(key)) return
    this.known.add(key)
    this.tell(warning)
  }
}
