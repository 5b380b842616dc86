import { join } from 'node:path/posix'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import type { Overlay } from '../../engine/ports.ts'
import type { Agent } from './agent.ts'
import { type Known, differences, keyOf } from './holding.ts'
import { SharedFrames } from './shared-frames.ts'
import type { SendableFile } from './source.ts'

export interface Brought {
  /** Cause by absolute path. */
  refused: Map<string, string>
  /** What was sent and taken, with the hash of what was sent. */
  taken: { path: string; hash: string }[]
}

/** Looks at so many sources before whoever waits gets a turn. */
const INSPECTIONS = 200

/**
 * Makes a container hold an overlay, as far as it lets us, and notes in `known` what it holds then. `stamps`: the times that files were
 * given before, by path. `frames`: of the order, where other containers are given it too.
 */
export async function bring(
  agent: Agent,
  wish: { root: string; overlay: Overlay; mark: string; sequence: number },
  known: Known,
  stamps: Map<string, number>,
  onSent?: () => void,
  frames = new SharedFrames(),
): Promise<Brought> {
  const refused = new Map<string, string>()
  const files: SendableFile[] = []
  const wanted = differences(known, wish.overlay)
  for (const [index, [path, file]] of wanted.entries()) {
    if (index % INSPECTIONS === INSPECTIONS - 1) await yieldToOthers()
    const source = frames.inspect(wish.root, path, file)
    if ('cause' in source) refused.set(path, source.cause)
    else files.push(stamped(source, stamps))
  }
  for (const { path } of files) known.delete(join(wish.root, path))

  const taken: Brought['taken'] = []
  const send = async (part: readonly SendableFile[], isLast: boolean, onSent?: () => void): Promise<void> => {
    const frame = frames.frame(part)
    const mark = isLast && refused.size === 0 ? wish.mark : undefined
    const applied = await agent.apply(wish.sequence, mark, frame, onSent)
    if (applied.broken !== undefined && frame.unread.size > 0) {
      for (const [path, cause] of frame.unread) refused.set(join(wish.root, path), cause)
      return send(
        part.filter(({ path }) => !frame.unread.has(path)),
        isLast,
      )
    }
    if (applied.broken !== undefined) return sendInHalves(part, isLast, applied.broken)
    for (const { path, file } of part) {
      const place = join(wish.root, path)
      const cause = applied.refused.get(path)
      if (cause !== undefined) {
        refused.set(place, cause)
        continue
      }
      const hash = frame.sent.get(path)
      known.set(place, keyOf(file, hash))
      if (hash !== undefined) taken.push({ path: place, hash })
    }
  }
  /** A frame is taken as a whole or not at all: the halves tell which file it is that cannot be. */
  const sendInHalves = async (part: readonly SendableFile[], isLast: boolean, cause: string): Promise<void> => {
    if (part.length <= 1) {
      for (const { path } of part) refused.set(join(wish.root, path), cause)
      return
    }
    const middle = Math.ceil(part.length / 2)
    await send(part.slice(0, middle), false)
    await send(part.slice(middle), isLast)
  }
  await send(files, true, onSent)
  return { refused, taken }
}

/** Two versions of a file never have the same second: who keeps what it compiled by a file's time would take the new one for the old. */
function stamped(file: SendableFile, stamps: Map<string, number>): SendableFile {
  const before = stamps.get(file.path)
  const mtime = before === undefined ? file.mtime : Math.max(file.mtime, before + 1)
  stamps.set(file.path, mtime)
  return { ...file, mtime }
}

/** Reads back what was sent. Returns the paths that are not what they should be, which are then unknown; what was sent anew meanwhile is left out. */
export async function prove(agent: Agent, { taken }: Brought, known: Known): Promise<string[]> {
  const before = new Map(taken.map(({ path }) => [path, known.get(path)]))
  const hashes = await agent.hashes(taken.map(({ path }) => path))
  const wrong = taken
    .filter(({ path, hash }) => hashes.get(path) !== hash && known.get(path) === before.get(path))
    .map(({ path }) => path)
  for (const path of wrong) known.delete(path)
  return wrong
}
