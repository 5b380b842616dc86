import type { OverlayFile } from '../../engine/ports.ts'
import { type Frame, frameOf } from './frame.ts'
import { type SendableFile, type Source, inspectSource } from './source.ts'

/** What is larger than this is read for each container: it would be held in memory until the slowest has it. */
const SHARED_BYTES = 8 * 1024 * 1024

/** Of one order to several containers, which mostly want the same: each file is looked at and read once. Closed, it shares nothing and holds nothing. */
export class SharedFrames {
  private readonly sources = new Map<string, Source>()
  private readonly frames = new Set<{ frame: Frame; finish(): Promise<void> }>()
  private isOpen = true

  /** As `inspectSource`. */
  inspect(root: string, path: string, file: OverlayFile): Source {
    const known = this.sources.get(path)
    if (known !== undefined) return known
    const source = inspectSource(root, path, file)
    if (this.isOpen) this.sources.set(path, source)
    return source
  }

  /** As `frameOf`. */
  frame(files: readonly SendableFile[]): Frame {
    for (const { frame } of this.frames) if (isSame(frame.files, files)) return frame
    const own = frameOf(files)
    if (!this.isOpen || own.lone !== undefined || own.sizeBytes > SHARED_BYTES) return own
    const { chunks, finish } = readOnce(own.chunks(), () => this.frames.delete(shared))
    const shared = { frame: { ...own, chunks }, finish }
    this.frames.add(shared)
    return shared.frame
  }

  close(): void {
    this.isOpen = false
    this.sources.clear()
    for (const { finish } of this.frames) finish().catch(() => {}) // told to who reads it
    this.frames.clear()
  }
}

function isSame(one: readonly SendableFile[], other: readonly SendableFile[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ path, file, mtime }, index) => {
      const twin = other[index]!
      return path === twin.path && file === twin.file && mtime === twin.mtime
    })
  )
}

/**
 * Every reader gets all chunks; they are made as fast as the fastest reader takes them. `finish` makes the rest, so that nothing stays open behind them and
 * whoever reads late, or goes on reading, gets the whole. What fails is told to each reader, and first by `onFailure`.
 */
function readOnce(
  source: AsyncGenerator<Buffer>,
  onFailure: () => void,
): { chunks(): AsyncGenerator<Buffer>; finish(): Promise<void> } {
  const made: Promise<IteratorResult<Buffer>>[] = []
  const chunkAt = (index: number): Promise<IteratorResult<Buffer>> => {
    if (made[index] !== undefined) return made[index]
    const chunk = source.next()
    chunk.catch(onFailure)
    return (made[index] = chunk)
  }
  return {
    async *chunks() {
      for (let index = 0; ; index++) {
        const { done, value } = await chunkAt(index)
        if (done === true) return
        yield value
      }
    },
    async finish() {
      for (let index = made.length; (await chunkAt(index)).done !== true; index++);
    },
  }
}
