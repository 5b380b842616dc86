import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Overlay } from '../../engine/ports.ts'
import type { KubeObject } from '../../plan/types.ts'
import { frameOf } from '../sync/frame.ts'
import { type SendableFile, inspectSource } from '../sync/source.ts'
import { type KubeClient, orMissing } from './client.ts'
import { deleteObject } from './apply.ts'
import { knownPath } from './mapping.ts'
import { FIELD_MANAGER, LABEL, type Live } from './objects.ts'

/** What new pods of a service start with beyond their image: kept in the cluster, so that it needs no daemon. */
export interface KeptOverlay {
  namespace: string
  run: string
  service: string
  name: string
  /** The image that it belongs to; over another one it would be old code. */
  image: string
  root: string
  overlay: Overlay
  mark: string
  sequence: number
}

/** A ConfigMap holds a megabyte. */
const MOST_BYTES = 900_000
/** What is larger than this does not become small enough. */
const MOST_SOURCE_BYTES = 20_000_000
const IMAGE = 'shiv.dev/image'

/** Writes the ConfigMap that seed.sh reads. One that would be too large tells new pods to wait for the agent. */
export async function keepOverlay(client: KubeClient, kept: KeptOverlay, signal: AbortSignal): Promise<void> {
  const archive = await archiveOf(kept)
  const body: KubeObject = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: kept.name,
      namespace: kept.namespace,
      labels: {
        [LABEL.managedBy]: 'shiv',
        [LABEL.run]: kept.run,
        [LABEL.service]: kept.service,
        [LABEL.overlay]: kept.service,
      },
      annotations: { [IMAGE]: kept.image },
    },
    data: {
      mark: `${kept.sequence} ${archive?.isWhole === false ? '-' : kept.mark}\n`,
      ...(archive === undefined && { wait: 'the overlay is too large for a ConfigMap\n' }),
    },
    ...(archive && { binaryData: { 'overlay.tar.gz': archive.bytes.toString('base64') } }),
  }
  await client.call('PATCH', `${knownPath('ConfigMap', kept.namespace, kept.name)}?fieldManager=${FIELD_MANAGER}&force=true`, {
    body,
    contentType: 'application/apply-patch+yaml',
    signal,
  })
}

/** Removes overlays of services whose image is about to be another one. */
export async function dropOverlaysOfOtherImages(
  client: KubeClient,
  namespace: string,
  workloads: KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  const selector = encodeURIComponent(LABEL.overlay)
  const path = `${knownPath('ConfigMap', namespace)}?labelSelector=${selector}`
  const list = await orMissing(client.call<{ items: Live[] | null }>('GET', path, { signal }))
  const images = new Map(workloads.flatMap((workload) => imageOf(workload) ?? []))
  const stale = (list?.items ?? []).filter(({ metadata }) => {
    const image = images.get(metadata.labels?.[LABEL.overlay] ?? '')
    return image !== undefined && image !== metadata.annotations?.[IMAGE]
  })
  const gone = stale.map((object) => deleteObject(client, { ...object, apiVersion: 'v1', kind: 'ConfigMap' }, { signal }))
  await Promise.all(gone)
}

function imageOf(workload: KubeObject): [string, string][] | undefined {
  const spec = workload['spec'] as { template?: { spec?: { containers?: { image: string }[] } } } | undefined
  const image = spec?.template?.spec?.containers?.[0]?.image
  const service = workload.metadata.labels?.[LABEL.service]
  return image === undefined || service === undefined ? undefined : [[service, image]]
}

async function archiveOf({ root, overlay }: KeptOverlay): Promise<{ bytes: Buffer; isWhole: boolean } | undefined> {
  const files: SendableFile[] = []
  let size = 0
  for (const [path, file] of overlay) {
    const source = inspectSource(root, path, file)
    if ('cause' in source) continue
    files.push(source)
    size += source.sizeBytes
    if (size > MOST_SOURCE_BYTES) return undefined
  }
  const frame = frameOf(files)
  const parts: Buffer[] = []
  for await (const part of frame.chunks()) parts.push(part)
  const bytes = await promisify(gzip)(Buffer.concat(parts))
  if (bytes.length > MOST_BYTES) return undefined
  const isRead = files.every(({ path, file, link }) => {
    if (file.source === undefined || link !== undefined) return true
    return frame.sent.get(path) === file.hash
  })
  return { bytes, isWhole: isRead && files.length === overlay.size }
}

export interface OverlayKeeper {
  /** Writes the newest overlay of a service soon; a burst of them is written once. */
  keep(kept: KeptOverlay, done: () => void): void
  close(): void
}

/** Long enough that the service's own start does not share the processor with it, short against the start of a pod. */
const SOON_MS = 250
const LATE_MS = 10_000

export function createOverlayKeeper(client: KubeClient, onFailure: (service: string, error: unknown) => void): OverlayKeeper {
  const abort = new AbortController()
  const waiting = new Map<string, { kept: KeptOverlay; done: () => void }>()
  const writing = new Set<string>()
  /** What cannot be written is tried again, ever later: a new pod must not begin with less than the others hold. */
  const write = async (service: string): Promise<void> => {
    writing.add(service)
    let pauseMs = SOON_MS
    let failed: object | undefined
    while (waiting.has(service) && !abort.signal.aborted) {
      // An abort ends the pause, and then the loop.
      await delay(pauseMs, undefined, { signal: abort.signal }).catch(() => {})
      const next = waiting.get(service)
      if (next === undefined || abort.signal.aborted) break
      try {
        await keepOverlay(client, next.kept, abort.signal)
        if (waiting.get(service) === next) waiting.delete(service)
        pauseMs = SOON_MS
        next.done()
      } catch (error) {
        if (!abort.signal.aborted && failed !== next) onFailure(service, error)
        failed = next
        pauseMs = Math.min(LATE_MS, pauseMs * 2)
      }
    }
    writing.delete(service)
  }
  return {
    keep(kept, done) {
      waiting.set(kept.service, { kept, done })
      if (!writing.has(kept.service)) void write(kept.service)
    },
    close: () => abort.abort(),
  }
}
