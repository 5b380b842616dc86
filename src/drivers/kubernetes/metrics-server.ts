import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../plan/types.ts'
import { applyObject, deleteObject } from './apply.ts'
import { type KubeClient, orMissing } from './client.ts'
import { desiredHash } from './fingerprint.ts'
import { knownPath } from './mapping.ts'
import type { Live } from './objects.ts'
import { imagesOf } from '../../plan/pod-templates.ts'
import { untilCollection } from './until.ts'

const LABEL = 'shiv.dev/addon'
const VALUE = 'metrics-server'
const HASH = 'shiv.dev/applied'
const METRICS_API = knownPath('APIService', undefined, 'v1beta1.metrics.k8s.io')
/** A metrics-server that comes up with its node is ready within half a minute here. */
const READY_LIMIT_MS = 120_000
/** The API server looks at a registration again when its endpoints change. */
const SETTLE_MS = 5_000

type ApiService = Live & { status?: { conditions?: { type: string; status: string }[] } }

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
  const service = await orMissing(client.call<ApiService>('GET', METRICS_API, { signal }))
  const labels = service?.metadata.labels
  if (service !== undefined && labels?.[LABEL] !== VALUE) return
  if (service?.metadata.annotations?.[HASH] === hash) {
    if (isAvailable(service) || !(await isStale(client, signal))) return
    await dropUnavailableMetricsApi(client, signal)
  }
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

/**
 * Takes our registration of the metrics API away when nothing answers behind it. After a restart of its node, the API server may hold on
 * to connections that lead to a pod that is no more, for as long as they stay open; until then no namespace finishes its deletion.
 * A registration made anew gets connections of its own.
 */
export async function dropUnavailableMetricsApi(client: KubeClient, signal: AbortSignal): Promise<void> {
  const service = await orMissing(client.call<ApiService>('GET', METRICS_API, { signal }))
  if (service === undefined || service.metadata.labels?.[LABEL] !== VALUE || isAvailable(service)) return
  await deleteObject(client, service, { signal })
}

/** Whether the API stays away although its server has been ready for a while. */
async function isStale(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  const path = `${knownPath('Deployment', 'kube-system')}?fieldSelector=metadata.name%3Dmetrics-server`
  const isReady = ({ status }: Live) => ((status as { readyReplicas?: number } | undefined)?.readyReplicas ?? 0) > 0
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_LIMIT_MS)])
  await untilCollection(client, path, limit, (objects) => objects.some(isReady))
  await delay(SETTLE_MS, undefined, { signal })
  const service = await orMissing(client.call<ApiService>('GET', METRICS_API, { signal }))
  return service !== undefined && !isAvailable(service)
}

function isAvailable(service: ApiService): boolean {
  return service.status?.conditions?.some(({ type, status }) => type === 'Available' && status === 'True') === true
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
