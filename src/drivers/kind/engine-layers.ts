import type { Engine } from '../docker/engine.ts'

interface EngineInfo {
  Driver: string
  DriverStatus: [string, string][] | null
  DockerRootDir: string
  SecurityOptions: string[] | null
}

/** What the engine says of an image's or container's file system. */
export interface GraphDriver {
  Name: string
  Data: Record<string, string> | null
}

/**
 * The engine's own folder, where each layer lies there unpacked in the form that a node's containerd uses too; undefined where it does
 * not: another storage driver, layers that only make sense together, or owners and attributes that are mapped.
 */
export async function findLayerRoot(engine: Engine): Promise<string | undefined> {
  return layerRootOf(await engine.json<EngineInfo>('GET', '/info'))
}

export function layerRootOf({ Driver, DriverStatus, DockerRootDir, SecurityOptions }: EngineInfo): string | undefined {
  const status = new Map(DriverStatus ?? [])
  // Without a native diff, renamed folders are recorded in the layer and can only be read through the mount.
  const isPlain = Driver === 'overlay2' && status.get('Native Overlay Diff') === 'true' && status.get('userxattr') !== 'true'
  const isMapped = (SecurityOptions ?? []).some((option) => /^name=(userns|rootless)\b/.test(option))
  return isPlain && !isMapped ? DockerRootDir : undefined
}

/** Folders of an image's unpacked layers, lowest first; empty where the engine does not tell one for each of `count`. */
export function layerFolders(driver: GraphDriver | null | undefined, count: number): string[] {
  const { UpperDir, LowerDir } = driver?.Data ?? {}
  if (driver?.Name !== 'overlay2' || UpperDir === undefined) return []
  const folders = [UpperDir, ...(LowerDir ? LowerDir.split(':') : [])].toReversed()
  return folders.length === count ? folders : []
}
