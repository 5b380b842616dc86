import type { Overlay, OverlayFile } from '../../engine/ports.ts'
import type { Agent } from './agent.ts'

/** What a channel knows its container to hold: by path a key of content, mode and link. Paths that are not in it are unknown. */
export type Known = Map<string, string>

/** Equal keys mean that a file need not be sent. `hash` when it is known better than from the overlay. */
export function keyOf(file: OverlayFile, hash = file.hash): string {
  return file.source === undefined ? 'absent' : `${hash} ${file.mode} ${file.link ?? ''}`
}

/** What has to be sent so that the container holds the overlay. */
export function differences(known: Known, overlay: Overlay): [string, OverlayFile][] {
  return [...overlay].filter(([path, file]) => known.get(path) !== keyOf(file))
}

/** All that an overlay says, of a container that holds it. */
export function allOf(overlay: Overlay): Known {
  return new Map([...overlay].map(([path, file]) => [path, keyOf(file)]))
}

/** Asks the container for the hashes of an overlay's files; of links and of what must not be there it learns nothing, so that is sent. */
export async function learn(agent: Agent, overlay: Overlay): Promise<Known> {
  const files = [...overlay].filter(([, file]) => file.source !== undefined && file.link === undefined)
  const hashes = await agent.hashes(files.map(([path]) => path))
  return new Map(files.filter(([path, file]) => hashes.get(path) === file.hash).map(([path, file]) => [path, keyOf(file)]))
}
