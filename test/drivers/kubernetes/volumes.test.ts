import { once } from 'node:events'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { describeVolume } from '../../../src/drivers/kind/volume.ts'
import type { KubeClient } from '../../../src/drivers/kubernetes/client.ts'
import { awaitVolumes, claimsOf } from '../../../src/drivers/kubernetes/volumes.ts'
import type { Cluster, ClusterDriver } from '../../../src/engine/ports.ts'
import type { KubeObject } from '../../../src/plan/types.ts'

const template = {
  metadata: { name: 'data', labels: { team: 'shop' } },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
}
const set: KubeObject = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'orders-db', namespace: 'shop' },
  spec: { selector: { matchLabels: { database: 'orders-db' } }, volumeClaimTemplates: [template] },
}
const standard = { metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } }

const listOf = (items: unknown[]) => ({ metadata: { resourceVersion: '1' }, items })

/** A cluster of which only lists are asked: what was posted is there, and a claim that names its volume is bound. */
function fakeCluster(classes: unknown[], claims: unknown[] = [], isDropped = false) {
  const posted: KubeObject[] = []
  const asked: string[] = []
  let nudged = () => {}
  const isNudged = new Promise<void>((resolve) => (nudged = resolve))
  let late: unknown[] = classes
  const client = {
    async call(verb: string, path: string, options: { body?: KubeObject } = {}) {
      asked.push(`${verb} ${path}`)
      if (verb === 'PATCH') return nudged()
      if (verb === 'POST') return void posted.push(options.body!)
      const inPhase = (phase: string, kind: string) =>
        posted.filter((object) => object.kind === kind).map((object) => ({ ...object, status: { phase } }))
      if (path.endsWith('persistentvolumes')) return listOf(inPhase('Available', 'PersistentVolume'))
      const items = path.includes('storageclasses')
        ? late
        : [...claims, ...inPhase(isDropped ? 'Pending' : 'Bound', 'PersistentVolumeClaim')]
      late = [standard]
      return listOf(items)
    },
    async stream(_path: string, signal: AbortSignal) {
      await Promise.race([isNudged, once(signal, 'abort')])
      signal.throwIfAborted()
      const object = { ...posted.find(({ kind }) => kind === 'PersistentVolumeClaim')!, status: { phase: 'Bound' } }
      return Readable.from([`${JSON.stringify({ type: 'MODIFIED', object })}\n`], { encoding: 'utf8' })
    },
  } as unknown as KubeClient
  return { client, posted, asked }
}

const options = (makeVolume?: ClusterDriver['makeVolume']) => ({
  namespace: 'shop',
  driver: { makeVolume } as ClusterDriver,
  cluster: {} as Cluster,
  signal: new AbortController().signal,
})
const make: ClusterDriver['makeVolume'] = async (_cluster, claim) =>
  describeVolume('node', claim, `pvc-of-${claim.metadata.name}`)

describe('volumes of a cluster in the making', () => {
  test('are made with their claims, bound to each other, before a pod asks', async () => {
    const { client, posted, asked } = fakeCluster([])
    await awaitVolumes(client, [set], options(make))
    expect(posted).toMatchObject([
      {
        kind: 'PersistentVolume',
        metadata: { annotations: { 'pv.kubernetes.io/provisioned-by': 'rancher.io/local-path' } },
        spec: {
          capacity: { storage: '1Gi' },
          claimRef: { namespace: 'shop', name: 'data-orders-db-0' },
          persistentVolumeReclaimPolicy: 'Delete',
          hostPath: { path: '/var/local-path-provisioner/pvc-of-data-orders-db-0_shop_data-orders-db-0' },
        },
      },
      {
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'data-orders-db-0', namespace: 'shop', labels: { team: 'shop', database: 'orders-db' } },
        spec: { storageClassName: 'standard', volumeName: 'pvc-of-data-orders-db-0', accessModes: ['ReadWriteOnce'] },
      },
    ])
    // The claim comes after the cluster has said that it knows the volume.
    const known = asked.findIndex((call) => call.endsWith('/persistentvolumes') && call.startsWith('GET'))
    expect(asked.findIndex((call) => call.startsWith('POST') && call.endsWith('/persistentvolumeclaims'))).toBeGreaterThan(known)
    expect(known).toBeGreaterThan(0)
  })

  test('are asked for again when the cluster dropped a claim at a conflict', async () => {
    const { client, asked } = fakeCluster([], [], true)
    await awaitVolumes(client, [set], options(make))
    expect(asked).toContain('PATCH /api/v1/namespaces/shop/persistentvolumeclaims/data-orders-db-0')
  })

  test('are left to the default class where there is one, and it is waited for where the driver makes none', async () => {
    const ready = fakeCluster([standard])
    await awaitVolumes(ready.client, [set], options(make))
    expect(ready.posted).toEqual([])
    const waiting = fakeCluster([])
    await awaitVolumes(waiting.client, [set], options())
    expect(waiting.posted).toEqual([])
    expect(waiting.asked.filter((call) => call.includes('storageclasses'))).toHaveLength(2)
  })

  test('are not made again for a claim that is there', async () => {
    for (const phase of ['Bound', 'Pending']) {
      const { client, posted, asked } = fakeCluster([], [{ metadata: { name: 'data-orders-db-0' }, status: { phase } }])
      await awaitVolumes(client, [set], options(make))
      expect(posted).toEqual([])
      // One that got no volume yet gets it from the class.
      expect(asked.filter((call) => call.includes('storageclasses'))).toHaveLength(phase === 'Bound' ? 1 : 2)
    }
  })

  test('nobody is asked for what claims nothing, or names its class', async () => {
    const { client, asked } = fakeCluster([])
    const own = { ...template, spec: { ...template.spec, storageClassName: 'fast' } }
    const named = { ...set, spec: { volumeClaimTemplates: [own] } }
    await awaitVolumes(client, [named, { ...set, kind: 'Deployment' }], options(make))
    expect(asked).toEqual([])
    expect(
      claimsOf({ ...set, spec: { replicas: 2, volumeClaimTemplates: [template] } }, 'shop').map(({ metadata }) => metadata.name),
    ).toEqual(['data-orders-db-0', 'data-orders-db-1'])
  })
})
