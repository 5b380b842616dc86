import { createReadStream } from 'node:fs'
import type { HostImage } from './host-image.ts'
import { sha256 } from './host-image.ts'
import type { CaughtLayer } from './layer-catcher.ts'
import { chainIds, type NodeLayers } from './node-store.ts'
import { tarEnd, tarFile, tarHeader, tarPadding } from './tar.ts'

interface Descriptor {
  mediaType: string
  digest: string
  size: number
  annotations?: Record<string, string>
}

/** Layers of an image that a node can neither unpack from a blob it has nor has unpacked already. */
export function lackingLayers(image: HostImage, node: NodeLayers): string[] {
  const inside = new Set([...node.blobs.values()].map((blob) => blob.diffId))
  const chains = chainIds(image.diffIds)
  return image.diffIds.filter((diffId, index) => !inside.has(diffId) && !node.snapshots.has(chains[index] ?? ''))
}

/** The manifest under which a node gets an image: layers that it has keep their form there, the others travel uncompressed. */
export function buildManifest(image: HostImage, caught: ReadonlyMap<string, CaughtLayer>, node: NodeLayers): Buffer {
  const blobs = new Map([...node.blobs].map(([digest, blob]) => [blob.diffId, { digest, ...blob }]))
  const layers = image.diffIds.map((diffId, index): Descriptor => {
    const sent = caught.get(diffId)
    const kept = blobs.get(diffId)
    if (sent === undefined && kept !== undefined && kept.digest !== diffId) {
      return { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: kept.digest, size: kept.sizeBytes }
    }
    const size = sent?.sizeBytes ?? kept?.sizeBytes ?? image.layerBytes[index] ?? 0
    return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: diffId, size }
  })
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: image.configDigest, size: image.config.length },
      layers,
    }),
  )
}

/** An OCI archive of some images that holds only the layers given: the receiver has the others. */
export async function* ociArchive(
  images: HostImage[],
  caught: ReadonlyMap<string, CaughtLayer>,
  node: NodeLayers,
): AsyncGenerator<Buffer> {
  const index: Descriptor[] = []
  yield tarFile('oci-layout', '{"imageLayoutVersion":"1.0.0"}')
  for (const image of images) {
    const manifest = buildManifest(image, caught, node)
    index.push({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: sha256(manifest),
      size: manifest.length,
      annotations: { 'io.containerd.image.name': image.name },
    })
    yield tarFile(blobPath(sha256(manifest)), manifest)
    yield tarFile(blobPath(image.configDigest), image.config)
  }
  for (const layer of caught.values()) {
    yield tarHeader(blobPath(layer.diffId), layer.sizeBytes)
    for await (const chunk of createReadStream(layer.file, { highWaterMark: 1 << 20 })) yield chunk as Buffer
    yield tarPadding(layer.sizeBytes)
  }
  const media = 'application/vnd.oci.image.index.v1+json'
  yield tarFile('index.json', JSON.stringify({ schemaVersion: 2, mediaType: media, manifests: index }))
  yield tarEnd
}

function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`
}
