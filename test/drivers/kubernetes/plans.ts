import type { DatabasePlan, KubeObject, Plan, ServicePlan } from '../../../src/plan/types.ts'
import { IMAGE_PLACEHOLDER } from '../../../src/plan/types.ts'
import { databaseOf, redisPreset, serviceOf } from '../../contract/plans.ts'

export const BUSYBOX = 'busybox:1.36-musl'

export interface Piece {
  name: string
  /** Shell text that the container runs. */
  script?: string
  command?: string[]
  image?: string
  replicas?: number
  /** Replaces fields of the container. */
  container?: Record<string, unknown>
  /** Replaces fields of the pod's spec. */
  pod?: Record<string, unknown>
  service?: Partial<ServicePlan>
}

/** A server that answers `/healthz` and says what it does. */
export function server(text = 'ok', before = ''): string {
  return `${before} mkdir -p /tmp/www && echo ${text} > /tmp/www/healthz && echo '{"level":"info","msg":"up ${text}"}' && exec httpd -f -p 8080 -h /tmp/www`
}

/** The Plan of a workspace of small busybox services, as the plan room would make it for kind. */
export function kindPlan(workspace: string, cluster: Plan['cluster'], pieces: Piece[], extra: Partial<Plan> = {}): Plan {
  const namespace = `shiv-${workspace}`
  const common = { namespace, run: workspace }
  const databases = extra.databases ?? []
  return {
    version: 1,
    workspace: { name: workspace, root: `/nowhere/${workspace}` },
    environment: 'local',
    runtime: 'kind',
    namespace,
    rollout: { strategy: 'rolling', timeoutMs: 600_000, steadyMs: 500 },
    cluster,
    images: pieces.map((piece) => ({
      service: piece.name,
      repository: `shiv.local/${workspace}/${piece.name}`,
      source: { kind: 'reference', image: piece.image ?? BUSYBOX },
    })),
    services: pieces.map((piece) =>
      serviceOf(piece.name, '/nowhere', { ports: [{ name: 'http', port: 8080, protocol: 'http' }], ...piece.service }),
    ),
    remotes: [],
    remoteEnvironments: [],
    secrets: databases.map((database) => ({
      name: database.secret,
      source: { kind: 'credentials', database: database.name },
      keys: ['url', 'host', 'port', 'user', 'password', 'name'].map((key) => ({ key, variable: '', wantedBy: [] })),
    })),
    substitutions: [],
    alerts: [],
    patches: [],
    ...extra,
    databases,
    objects: [
      namespaceOf(namespace, workspace),
      ...databases.flatMap((database) => redisObjects(database, common)),
      ...pieces.flatMap((piece) => serviceObjects(piece, common)),
      ...(extra.objects ?? []),
    ],
  }
}

export function redis(name: string, users: string[]): DatabasePlan {
  return databaseOf(
    {
      ...redisPreset,
      process: { ...(redisPreset.process as NonNullable<typeof redisPreset.process>), binaries: ['redis-server'] },
    },
    name,
    users,
  )
}

interface Common {
  namespace: string
  run: string
}

export function labelsOf(common: Common, extra: Record<string, string>): Record<string, string> {
  return { 'app.kubernetes.io/managed-by': 'shiv', 'app.kubernetes.io/part-of': common.run, 'shiv.dev/run': common.run, ...extra }
}

export const partOf = (name: string, part = 'server') => ({ 'app.kubernetes.io/name': name, 'app.kubernetes.io/component': part })

export function podSpec(piece: Piece): Record<string, unknown> {
  const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1, timeoutSeconds: 1 }
  return {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: piece.name,
        image: IMAGE_PLACEHOLDER + piece.name,
        imagePullPolicy: 'IfNotPresent',
        command: piece.command ?? ['sh', '-c', piece.script ?? server()],
        resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '32Mi' } },
        startupProbe: { ...probe, failureThreshold: 8 },
        readinessProbe: { ...probe, failureThreshold: 2 },
        livenessProbe: { ...probe, periodSeconds: 5, failureThreshold: 3 },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
        volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
        ...piece.container,
      },
    ],
    volumes: [{ name: 'tmp', emptyDir: {} }],
    ...piece.pod,
  }
}

function serviceObjects(piece: Piece, common: Common): KubeObject[] {
  const labels = labelsOf(common, partOf(piece.name))
  const metadata = { name: piece.name, namespace: common.namespace, labels }
  const selector = partOf(piece.name)
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'NodePort', selector, ports: [{ name: 'http', port: 8080 }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: piece.replicas ?? 1,
        selector: { matchLabels: selector },
        strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: { metadata: { labels }, spec: podSpec(piece) },
      },
    },
  ]
}

export function migrateJob(piece: Piece, workspace: string): KubeObject {
  const common = { namespace: `shiv-${workspace}`, run: workspace }
  const labels = labelsOf(common, partOf(piece.name, 'migrate'))
  const probes = { startupProbe: undefined, readinessProbe: undefined, livenessProbe: undefined }
  const spec = podSpec({ ...piece, container: { ...probes, ...piece.container } })
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `${piece.name}-migrate`,
      namespace: common.namespace,
      labels,
      annotations: { 'shiv.dev/phase': 'migrate' },
    },
    spec: { backoffLimit: 2, template: { metadata: { labels }, spec: { ...spec, restartPolicy: 'Never' } } },
  }
}

export function configMap(name: string, workspace: string, data: Record<string, string>): KubeObject {
  const common = { namespace: `shiv-${workspace}`, run: workspace }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: common.namespace, labels: labelsOf(common, {}) },
    data,
  }
}

function namespaceOf(name: string, workspace: string): KubeObject {
  const labels = { ...labelsOf({ namespace: name, run: workspace }, {}), 'pod-security.kubernetes.io/enforce': 'restricted' }
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

function redisObjects(database: DatabasePlan, common: Common): KubeObject[] {
  const own = { ...partOf(database.name, 'database'), 'shiv.dev/database': database.name }
  const labels = labelsOf(common, own)
  const health = { exec: { command: ['sh', '-c', 'redis-cli ping | grep -q PONG'] }, periodSeconds: 1 }
  const service = (name: string, type: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: common.namespace, labels },
    spec: { type, selector: own, ports: [{ name: 'database', port: 6379 }] },
  })
  const script = String.raw`exec redis-server - <<END
dir /data
appendonly yes
requirepass "$REDISCLI_AUTH"
END`
  return [
    service(database.name, 'ClusterIP'),
    service(`${database.name}-host`, 'NodePort'),
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: database.name, namespace: common.namespace, labels },
      spec: {
        replicas: 1,
        serviceName: database.name,
        selector: { matchLabels: own },
        template: {
          metadata: { labels },
          spec: podSpec({
            name: database.name,
            command: ['sh', '-c', script],
            pod: {
              securityContext: { runAsNonRoot: true, runAsUser: 999, fsGroup: 999, seccompProfile: { type: 'RuntimeDefault' } },
            },
            container: {
              image: database.image,
              env: [{ name: 'REDISCLI_AUTH', valueFrom: { secretKeyRef: { name: database.secret, key: 'password' } } }],
              resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '128Mi' } },
              startupProbe: { ...health, failureThreshold: 30 },
              readinessProbe: health,
              livenessProbe: undefined,
              volumeMounts: [
                { name: 'data', mountPath: '/data' },
                { name: 'tmp', mountPath: '/tmp' },
              ],
            },
          }),
        },
        volumeClaimTemplates: [
          {
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            metadata: { name: 'data', labels: labelsOf(common, {}) },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '64Mi' } } },
          },
        ],
      },
    },
  ]
}
