import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ShivError } from '../../../src/core/errors.ts'
import { createKindRuntime } from '../../../src/drivers/kubernetes/runtime.ts'
import type { Runtime } from '../../../src/engine/ports.ts'
import type { KubeObject } from '../../../src/plan/types.ts'
import { type TestCluster, acquireCluster, whyNoCluster } from '../../support/cluster.ts'
import { contextOf, references } from './context.ts'
import { type Piece, kindPlan, labelsOf, migrateJob, server } from './plans.ts'

const why = whyNoCluster()
if (why !== undefined) console.log(`skipped: diagnosis on a real cluster (${why})`)

interface Case {
  title: string
  piece: Partial<Piece>
  objects?: (workspace: string) => KubeObject[]
  code: string
  message: RegExp
  evidence: RegExp
}

const object = (workspace: string, apiVersion: string, kind: string, name: string, spec: unknown): KubeObject => {
  const namespace = `shiv-${workspace}`
  return { apiVersion, kind, metadata: { name, namespace, labels: labelsOf({ namespace, run: workspace }, {}) }, spec }
}
const noProbes = { startupProbe: undefined, readinessProbe: undefined, livenessProbe: undefined }
const tooMuch = String.raw`echo eating; exec tail /dev/zero`
const claim = { name: 'data', persistentVolumeClaim: { claimName: 'data' } }

const cases: Case[] = [
  {
    title: 'an image that nobody has',
    piece: { image: 'registry.invalid/team/app:1.2' },
    code: 'POD_IMAGE_MISSING',
    message: /^web cannot start: its image registry\.invalid\/team\/app:1\.2 is not on the node and cannot be pulled\.$/,
    evidence: /ErrImagePull/,
  },
  {
    title: 'the first crash',
    piece: { script: 'echo connecting; echo "no such host: nowhere" >&2; exit 3' },
    code: 'POD_CRASHED',
    message: /^web cannot start: its process exited with code 3\.$/,
    evidence: /no such host: nowhere/,
  },
  {
    title: 'a process that ends by itself',
    piece: { script: 'echo done for today' },
    code: 'POD_CRASHED',
    message: /ended by itself with exit code 0/,
    evidence: /done for today/,
  },
  {
    title: 'a health path that is not served',
    piece: { script: 'mkdir -p /tmp/www; exec httpd -f -p 8080 -h /tmp/www' },
    code: 'POD_PROBE_FAILED',
    message: /its startup check GET \/healthz on port 8080 does not pass: it answered 404/,
    evidence: /404/,
  },
  {
    title: 'nothing listens',
    piece: { script: 'echo waiting; exec sleep 300' },
    code: 'POD_PROBE_FAILED',
    message: /its startup check GET \/healthz on port 8080 does not pass: nothing listens on that port/,
    evidence: /waiting/,
  },
  {
    title: 'a quota that is used up',
    piece: {},
    objects: (workspace) => [object(workspace, 'v1', 'ResourceQuota', 'tight', { hard: { 'requests.memory': '8Mi' } })],
    code: 'POD_QUOTA_EXCEEDED',
    message: /quota tight is used up: it asks for requests\.memory=16Mi, in use is requests\.memory=0 of requests\.memory=8Mi/,
    evidence: /exceeded quota/,
  },
  {
    title: 'more CPU than any node has',
    piece: { container: { resources: { requests: { cpu: '900', memory: '16Mi' } } } },
    code: 'POD_UNSCHEDULABLE',
    message: /no node has enough cpu left for it/,
    evidence: /Insufficient cpu/,
  },
  {
    title: 'a node selector that fits none',
    piece: { pod: { nodeSelector: { disk: 'golden' } } },
    code: 'POD_UNSCHEDULABLE',
    message: /no node takes its pod/,
    evidence: /node affinity\/selector/,
  },
  {
    title: 'a storage class that is not there',
    piece: { pod: { volumes: [{ name: 'tmp', emptyDir: {} }, claim] } },
    objects: (workspace) => [
      object(workspace, 'v1', 'PersistentVolumeClaim', 'data', {
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'golden',
        resources: { requests: { storage: '1Mi' } },
      }),
    ],
    code: 'POD_VOLUME_FAILED',
    message: /its volume data cannot be made/,
    evidence: /storageclass.*golden/,
  },
  {
    title: 'a volume that cannot be mounted',
    piece: { pod: { volumes: [{ name: 'tmp', configMap: { name: 'nowhere' } }] } },
    code: 'POD_VOLUME_FAILED',
    message: /a volume cannot be mounted/,
    evidence: /nowhere/,
  },
  {
    title: 'what Pod Security forbids',
    piece: { container: { securityContext: { allowPrivilegeEscalation: true, capabilities: { drop: ['ALL'] } } } },
    code: 'POD_SECURITY_REJECTED',
    message: /Pod Security "restricted:latest" forbids its pod \(securityContext\.allowPrivilegeEscalation/,
    evidence: /allowPrivilegeEscalation != false/,
  },
  {
    title: 'an image that runs as root',
    piece: { pod: { securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } } },
    code: 'POD_SECURITY_REJECTED',
    message: /its image runs as root/,
    evidence: /runAsNonRoot/,
  },
  {
    title: 'a secret that is not there',
    piece: { container: { env: [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'stripe', key: 'api-key' } } }] } },
    code: 'POD_CONFIG_INVALID',
    message: /container web wants Secret stripe, which is not there/,
    evidence: /stripe/,
  },
  {
    title: 'more memory than its limit',
    piece: { script: tooMuch },
    code: 'POD_OUT_OF_MEMORY',
    message: /its process needed more memory than its limit of 32Mi and was killed/,
    evidence: /eating/,
  },
  {
    title: 'a program that is not in the image',
    piece: { command: ['/app/serve', '--port=8080'] },
    code: 'POD_COMMAND_FAILED',
    message: /its command `\/app\/serve --port=8080` cannot be run in the image/,
    evidence: /no such file/,
  },
  {
    title: 'an init container that fails',
    piece: {
      pod: {
        initContainers: [
          {
            name: 'fetch',
            image: 'busybox:1.36-musl',
            command: ['sh', '-c', 'echo cannot fetch; exit 7'],
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          },
        ],
      },
    },
    code: 'POD_INIT_FAILED',
    message: /its init container fetch exited with code 7/,
    evidence: /cannot fetch/,
  },
  {
    title: 'a migration that fails',
    piece: {},
    objects: (workspace) => [
      migrateJob({ name: 'web', script: 'echo relation users already exists; exit 1', container: noProbes }, workspace),
    ],
    code: 'POD_MIGRATE_FAILED',
    message: /^web cannot start: its migration exited with code 1\.$/,
    evidence: /relation users already exists/,
  },
]

describe.skipIf(why !== undefined).concurrent('a start that cannot succeed ends with its cause', () => {
  let test: TestCluster
  let runtime: Runtime
  beforeAll(async () => {
    test = await acquireCluster()
    runtime = createKindRuntime({ home: test.home, cluster: test.driver, images: references })
  }, 300_000)
  afterAll(() => test?.release())

  it.each(cases.map((entry, index) => ({ ...entry, workspace: `diagnose-${index}` })))(
    '$title: $code',
    async (entry) => {
      const objects = entry.objects?.(entry.workspace) ?? []
      const plan = kindPlan(entry.workspace, test.spec, [{ name: 'web', script: server(), ...entry.piece }], { objects })
      const context = contextOf(plan)
      try {
        const error = await runtime.reconcile(plan, context).then(
          () => undefined,
          (thrown: ShivError) => thrown,
        )
        expect(error).toMatchObject({ code: entry.code })
        expect(error?.message).toMatch(entry.message)
        expect(error?.evidence.join('\n')).toMatch(entry.evidence)
        expect(error?.hint).toBeTruthy()
      } finally {
        await runtime.release(context.runId)
        test.kubectl('delete', 'namespace', plan.namespace, '--wait=false')
      }
    },
    90_000,
  )
})
