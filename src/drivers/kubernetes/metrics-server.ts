import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../plan/types.ts'
import { applyObject } from './apply.ts'
import { type KubeClient, orMissing } from './client.ts'
import { desiredHash } from './fingerprint.ts'
import { knownPath } from './mapping.ts'
import type { Live } from './objects.ts'
import { imagesOf } from './prepare.ts'

const LABEL = 'shiv.dev/addon'
const VALUE = 'metrics-server'
const HASH = 'shiv.dev/applied'

/**
 * Sees to it that the cluster has metrics-server, without which no autoscaler scales: ours when there is none, and somebody else's is
 * left alone. `bring` gets its image first when it has to be applied.
 */
export async function ensureMetricsServer(
  client: KubeClient,
  bring: (images: string[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const objects = await readManifest()
  const hash = desiredHash({ ...objects[0], objects } as unknown as KubeObject)
  const service = await orMissing(
    client.call<Live>('GET', knownPath('APIService', undefined, 'v1beta1.metrics.k8s.io'), { signal }),
  )
  const labels = service?.metadata.labels
  if (service !== undefined && labels?.[LABEL] !== VALUE) return
  if (service?.metadata.annotations?.[HASH] === hash) return
  await bring(imagesOf(objects))
  const owner = { label: LABEL, value: VALUE }
  const apply = (object: KubeObject) => applyObject(client, object, { owner, known: undefined, signal })
  const isLast = ({ kind }: KubeObject) => kind === 'APIService'
  await Promise.all(objects.filter((object) => !isLast(object)).map(apply))
  // It carries the mark, so it goes last: a half-applied addon is applied again.
  for (const object of objects.filter(isLast)) {
    await apply({ ...object, metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [HASH]: hash } } })
  }
}

async function readManifest(): Promise<KubeObject[]> {
  const text = await readFile(join(presetsFolder(), 'addons', 'metrics-server.yaml'), 'utf8')
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject)
}

/** Presets lie beside `src` and beside `dist`; how deep this file is differs between the two. */
function presetsFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'presets', 'addons')) && dirname(folder) !== folder) folder = dirname(folder)
  return join(folder, 'presets')
}
