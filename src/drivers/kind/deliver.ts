import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import type { Engine } from '../docker/engine.ts'
import { inspectHostImage, type HostImage } from './host-image.ts'
import { importArchive } from './import.ts'
import { catchLayers, type CaughtLayer } from './layer-catcher.ts'
import { linkImages } from './link-layers.ts'
import type { NodeLayers, NodeStore } from './node-store.ts'
import { lackingLayers, ociArchive } from './oci-archive.ts'
import { filterSaved } from './saved-archive.ts'

/** Above this the engine's whole archive is faster than single layers, which it compresses on the way (about 40 MB/s here). */
const singleLayersBytes = 48e6

export interface DeliverOptions {
  engine: Engine
  stores: NodeStore[]
  home: string
  signal: AbortSignal
  progress(text: string): void
  /** For tests: neither single layers nor links, as on an engine that gives neither. */
  wholeArchives?: boolean
}

const noLayers: NodeLayers = { snapshots: new Set(), blobs: new Map() }

interface Need {
  image: HostImage
  lacking: string[]
}

/** Brings images of the host to all nodes. What a node has is asked of the node each time. See docs/decisions/0002-image-delivery.md. */
export async function deliverImages(
  references: string[],
  options: DeliverOptions,
): Promise<{ sentBytes: number; skipped: string[] }> {
  const { engine, stores, signal } = options
  const [found, present] = await Promise.all([
    Promise.all(
      [...new Set(references)].map(async (reference) => ({ reference, image: await inspectHostImage(engine, reference) })),
    ),
    Promise.all(stores.map((store) => store.images())),
  ])
  signal.throwIfAborted()
  const skipped = found.filter(({ image }) => image === undefined).map(({ reference }) => reference)
  const images = found.flatMap(({ image }) => (image === undefined ? [] : [image]))
  const missing = images.filter((image) => !present.every((names) => hasImage(names, image)))
  if (missing.length === 0) return { sentBytes: 0, skipped }

  const layers = await Promise.all(stores.map((store) => store.layers()))
  const needs = missing.map((image) => ({ image, lacking: [...new Set(layers.flatMap((node) => lackingLayers(image, node)))] }))
  const small = options.wholeArchives ? [] : needs.filter((need) => bytesOf(need) <= singleLayersBytes)
  const large = needs.filter((need) => !small.includes(need))
  let sentBytes = 0
  const onBytes = (count: number): void => {
    sentBytes += count
    options.progress(`${(sentBytes / 1e6).toFixed(1)} MB`)
  }
  const refused = await sendLayers(small, layers, options, onBytes)
  const unlinked = await linkLayers([...large, ...refused], layers, options, onBytes)
  await sendArchives(unlinked, layers, options, onBytes)
  return { sentBytes, skipped }
}

/** The name must lead to this very image: containerd lists the configuration's digest as a name for the same manifest. */
function hasImage(names: ReadonlyMap<string, string>, image: HostImage): boolean {
  const manifest = names.get(image.name)
  return manifest !== undefined && (manifest === names.get(image.id) || manifest === names.get(image.configDigest))
}

function bytesOf({ image, lacking }: Need): number {
  return image.diffIds.reduce((sum, diffId, index) => sum + (lacking.includes(diffId) ? (image.layerBytes[index] ?? 0) : 0), 0)
}

/** Sends single layers; returns the needs for which the engine did not give them. */
async function sendLayers(
  needs: Need[],
  layers: NodeLayers[],
  options: DeliverOptions,
  onBytes: (count: number) => void,
): Promise<Need[]> {
  if (needs.length === 0) return []
  const { engine, stores, signal } = options
  makePrivateFolder(join(options.home, 'layers'))
  const folder = await mkdtemp(join(options.home, 'layers', 'd-'))
  try {
    const caught = new Map<string, CaughtLayer>()
    for (const { image, lacking } of needs) {
      const wanted = new Set(lacking.filter((diffId) => !caught.has(diffId)))
      if (wanted.size === 0) continue
      for (const layer of await catchLayers(engine, image.reference, wanted, { folder, signal })) caught.set(layer.diffId, layer)
    }
    const images = needs.map((need) => need.image)
    await Promise.all(
      stores.map((store, index) => {
        const node = layers[index] ?? noLayers
        return importArchive(engine, [store.node], ociArchive(images, caught, node), { signal, onBytes })
      }),
    )
    return []
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof ShivError) throw error
    options.progress(`single layers did not go (${(error as Error).message.slice(0, 120)}), sending whole images`)
    return needs
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Links what the engine has unpacked into the nodes; returns the needs for which that cannot be. */
async function linkLayers(
  needs: Need[],
  layers: NodeLayers[],
  options: DeliverOptions,
  onBytes: (count: number) => void,
): Promise<Need[]> {
  if (needs.length === 0 || options.wholeArchives) return needs
  const nodes = options.stores.map((store, index) => ({ store, layers: layers[index] ?? noLayers }))
  const images = needs.map((need) => need.image)
  try {
    return (await linkImages(images, nodes, { engine: options.engine, signal: options.signal, onBytes })) ? [] : needs
  } catch (error) {
    options.signal.throwIfAborted()
    options.progress(`layers were not linked (${(error as Error).message.slice(0, 120)}), sending whole images`)
    return needs
  }
}

async function sendArchives(
  needs: Need[],
  layers: NodeLayers[],
  options: DeliverOptions,
  onBytes: (count: number) => void,
): Promise<void> {
  if (needs.length === 0) return
  const { engine, stores, signal } = options
  const names = needs.map(({ image }) => `names=${encodeURIComponent(image.reference)}`).join('&')
  const send = async (has: (digest: string) => boolean): Promise<void> => {
    const saved = await engine.stream('GET', `/images/get?${names}`, { signal })
    await importArchive(
      engine,
      stores.map((store) => store.node),
      filterSaved(saved, has),
      { signal, onBytes },
    )
  }
  try {
    await send((digest) => layers.every((node) => node.blobs.has(digest)))
  } catch (error) {
    signal.throwIfAborted()
    try {
      await send(() => false) // a blob may have been collected since the node was asked
    } catch (again) {
      throw deliveryError(needs, again ?? error)
    }
  }
}

function deliveryError(needs: Need[], cause: unknown): ShivError {
  const text = (cause as Error).message
  const full = /no space left on device/i.test(text)
  return new ShivError(
    `${needs.map(({ image }) => image.reference).join(', ')} did not reach the cluster${full ? ': the disk is full' : ''}.`,
    {
      code: full ? 'DOCKER_DISK_FULL' : 'KIND_DELIVERY_FAILED',
      exit: full ? 3 : 1,
      hint: full
        ? 'make room, for example with: docker builder prune --force && docker image prune --force'
        : 'look at the node: docker ps --filter label=io.x-k8s.kind.cluster',
      evidence: [text],
      cause,
    },
  )
}
