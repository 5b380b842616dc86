import type { OverlayFile } from '../../engine/ports.ts'
import { type Frame, frameOf } from './frame.ts'
import { type SendableFile, type Source, inspectSource } from './source.ts'

/** What is larger than this is read for each container: it would be held in memory until the slowest has it. */
const SHARED_BYTES = 8 * 1024 * 1024

/** Of one order to several containers, which mostly want the same: each file is looked at and read once. Closed, it shares nothing and holds nothing. */
export class SharedFrames {
  private readonly sources = new Map<string, Source>()
  private readonly frames: { files: readonly SendableFile[]; frame: Frame; close(): void }[] = []
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
    const known = this.frames.find((each) => isSame(each.files, files))
    if (known !== undefined) return known.frame
    const own = frameOf(files)
    if (!this.isOpen || own.lone !== undefined || own.sizeBytes > SHARED_BYTES) return own
    const { chunks, close } = readOnce(own.chunks())
    const frame = { ...own, chunks }
    this.frames.push({ files, frame, close })
    return frame
  }

  close(): void {
    this.isOpen = false
    this.sources.clear()
    for (const { close } of this.frames.splice(0)) close()
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

/** Every reader gets all chunks; they are made as fast as the fastest reader takes them. What is open behind them is closed when nobody reads any more. */
function readOnce(source: AsyncGenerator<Buffer>): { chunks(): AsyncGenerator<Buffer>; close(): void } {
  const made: Promise<IteratorResult<Buffer>>[] = []
  let readers = 0
  let isClosed = false
  const letGo = (): void => {
    if (isClosed && readers === 0) source.return(undefined).catch(() => {}) // told to who read
  }
  return {
    async *chunks() {
      readers += 1
      try {
        for (let index = 0; ; index++) {
          const { done, value } = await (made[index] ??= source.next())
          if (done === true) return
          yield value
        }
      } finally {
        readers -= 1
        letGo()
      }
    },
    close() {
      isClosed = true
      letGo()
    },
  }
}
