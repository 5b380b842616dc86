import { gunzipSync, gzipSync } from 'node:zlib'
import type { Release } from '../../engine/deploy/release.ts'
import { shortName } from '../../plan/names.ts'
import type { KubeObject } from '../../plan/types.ts'
import { type KubeClient, isMissing, orMissing } from '../kubernetes/client.ts'
import { knownPath } from '../kubernetes/mapping.ts'
import { LABEL, type Live } from '../kubernetes/objects.ts'
import { DEPLOYER } from './objects.ts'

/** Releases that are remembered, and of how many what they applied is kept: that many can be gone back to. */
export const RELEASES_KEPT = 100
const OBJECTS_KEPT = 10

interface RecordMap extends Live {
  data?: Record<string, string>
  binaryData?: Record<string, string>
}

export interface RecordPlace {
  namespace: string
  service: string
}

/** The releases of a service, oldest first, kept in the namespace itself: one ConfigMap, a key a release, and a key for what it applied. */
export async function readReleases(client: KubeClient, place: RecordPlace): Promise<Release[]> {
  const map = await readMap(client, place)
  return Object.entries(map?.data ?? {})
    .flatMap(([key, text]) => (key.startsWith(RELEASE) ? (parseRelease(text) ?? []) : []))
    .sort((a, b) => a.revision - b.revision)
}

/** What a revision applied; undefined where it is not kept. */
export async function readObjects(client: KubeClient, place: RecordPlace, revision: number): Promise<KubeObject[] | undefined> {
  const packed = (await readMap(client, place))?.binaryData?.[keyOf(OBJECTS, revision)]
  return packed === undefined
    ? undefined
    : (JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString('utf8')) as KubeObject[])
}

/** Writes a release, with `objects` also what it applies, and lets go of the oldest; `keep` names revisions whose objects must stay. */
export async function writeRelease(
  client: KubeClient,
  place: RecordPlace,
  release: Release,
  { objects, keep }: { objects?: KubeObject[]; keep: number[] },
): Promise<void> {
  const known = objects === undefined ? undefined : await readMap(client, place)
  const data: Record<string, string | null> = {
    ...leaving(known?.data, RELEASE, RELEASES_KEPT - 1, []),
    [keyOf(RELEASE, release.revision)]: JSON.stringify(release),
  }
  const binaryData: Record<string, string | null> = leaving(known?.binaryData, OBJECTS, OBJECTS_KEPT - 1, keep)
  if (objects !== undefined) {
    binaryData[keyOf(OBJECTS, release.revision)] = gzipSync(JSON.stringify(objects)).toString('base64')
  }
  const metadata = {
    name: mapName(place),
    namespace: place.namespace,
    labels: { [LABEL.managedBy]: 'shiv', [LABEL.service]: place.service, 'shiv.dev/releases': place.service },
    annotations: { 'shiv.dev/environment': release.environment },
  }
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data, binaryData }
  const path = `${knownPath('ConfigMap', place.namespace, mapName(place))}?fieldManager=${DEPLOYER}`
  try {
    await client.call('PATCH', path, { body, contentType: 'application/merge-patch+json' })
  } catch (error) {
    if (!isMissing(error)) throw error
    await client.call('POST', `${knownPath('ConfigMap', place.namespace)}?fieldManager=${DEPLOYER}`, { body })
  }
}

const RELEASE = 'release-'
const OBJECTS = 'objects-'

function mapName({ service }: RecordPlace): string {
  return shortName(`shiv-releases-${service}`)
}

/** Numbers of equal width, so that keys sort as revisions do. */
function keyOf(kind: string, revision: number): string {
  return `${kind}${String(revision).padStart(6, '0')}`
}

/** The oldest keys of a kind that are one too many, each to be removed. */
function leaving(known: Record<string, string> | undefined, kind: string, most: number, keep: number[]): Record<string, null> {
  const kept = new Set(keep.map((revision) => keyOf(kind, revision)))
  const keys = Object.keys(known ?? {})
    .filter((key) => key.startsWith(kind) && !kept.has(key))
    .sort()
  return Object.fromEntries(keys.slice(0, Math.max(0, keys.length - most)).map((key) => [key, null]))
}

function readMap(client: KubeClient, place: RecordPlace): Promise<RecordMap | undefined> {
  return orMissing(client.call<RecordMap>('GET', knownPath('ConfigMap', place.namespace, mapName(place))))
}

/** An entry that somebody edited, or that a later version wrote, is not ours to read. */
function parseRelease(text: string): Release | undefined {
  try {
    const release = JSON.parse(text) as Release
    return release.version === 1 ? release : undefined
  } catch {
    return undefined
  }
}
