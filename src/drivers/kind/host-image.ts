import { createHash } from 'node:crypto'
import { orMissing, type Engine } from '../docker/engine.ts'
import { type GraphDriver, layerFolders } from './engine-layers.ts'

/** An image of the host, as a node needs to know it. */
export interface HostImage {
  /** As the Plan names it. */
  reference: string
  /** As Kubernetes names it: with registry, repository and tag. */
  name: string
  /** The engine's own id, `sha256:…`. */
  id: string
  /** Digests of the uncompressed layers, lowest first. */
  diffIds: string[]
  /** As far as the engine tells; 0 where it does not. Aligned with `diffIds`. */
  layerBytes: number[]
  /** Where the engine keeps each layer unpacked; empty where it does not tell. Aligned with `diffIds`. */
  folders: string[]
  /** The OCI configuration that travels with single layers: the same facts as the engine's, in a form that follows from `id`. */
  config: Buffer
  configDigest: string
}

interface Inspected {
  Id: string
  Created?: string
  Architecture: string
  Variant?: string
  Os: string
  Author?: string
  Config: Record<string, unknown> | null
  RootFS: { Layers?: string[] }
  GraphDriver?: GraphDriver | null
}

/** Reads an image of the host; undefined where the host has none of that name, or names it by digest only. */
export async function inspectHostImage(engine: Engine, reference: string): Promise<HostImage | undefined> {
  if (reference.includes('@')) return undefined
  const inspected = await orMissing(engine.json<Inspected>('GET', `/images/${reference}/json`))
  if (inspected === undefined) return undefined
  const diffIds = inspected.RootFS.Layers ?? []
  const config = Buffer.from(JSON.stringify(toOciConfig(inspected, diffIds)))
  return {
    reference,
    name: fullName(reference),
    id: inspected.Id,
    diffIds,
    layerBytes: await layerSizes(engine, reference, diffIds.length),
    folders: layerFolders(inspected.GraphDriver, diffIds.length),
    config,
    configDigest: sha256(config),
  }
}

/** `postgres:15` is `docker.io/library/postgres:15` to a node. */
export function fullName(reference: string): string {
  const slash = reference.indexOf('/')
  const first = slash === -1 ? '' : reference.slice(0, slash)
  const hasRegistry = first.includes('.') || first.includes(':') || first === 'localhost'
  const path = hasRegistry ? reference : slash === -1 ? `docker.io/library/${reference}` : `docker.io/${reference}`
  return path.lastIndexOf(':') > path.lastIndexOf('/') ? path : `${path}:latest`
}

export function sha256(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

const containerFields = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
]

function toOciConfig(image: Inspected, diffIds: string[]): unknown {
  const config: Record<string, unknown> = {}
  for (const field of containerFields) {
    const value = image.Config?.[field]
    if (value !== undefined && value !== null && value !== '' && value !== false) config[field] = value
  }
  return {
    ...(image.Created && { created: image.Created }),
    ...(image.Author && { author: image.Author }),
    architecture: image.Architecture,
    ...(image.Variant && { variant: image.Variant }),
    os: image.Os,
    config,
    rootfs: { type: 'layers', diff_ids: diffIds },
  }
}

/** The history holds the sizes, newest first, with empty entries between; it tells nothing when the counts differ. */
async function layerSizes(engine: Engine, reference: string, count: number): Promise<number[]> {
  const history = await engine.json<{ Size: number; CreatedBy: string }[]>('GET', `/images/${reference}/history`)
  return sizesOf(history.toReversed(), count)
}

/** Sizes of `count` layers from a history, oldest first. Which empty entries are layers too is not said: a folder made by WORKDIR is one. */
export function sizesOf(history: { Size: number; CreatedBy: string }[], count: number): number[] {
  const sizes = (entries: typeof history): number[] => entries.map(({ Size }) => Size)
  const filled = history.filter(({ Size }) => Size > 0)
  const working = history.filter(({ Size, CreatedBy }) => Size > 0 || /^(RUN|COPY|ADD|WORKDIR) /.test(CreatedBy))
  const told = [history, filled, working].find((entries) => entries.length === count)
  if (told !== undefined) return sizes(told)
  const total = sizes(history).reduce((sum, size) => sum + size, 0)
  // Not to be told apart: the whole size on the lowest layer, where base images have theirs.
  return Array.from({ length: count }, (_, index) => (index === 0 ? total : 0))
}
