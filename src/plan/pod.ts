import type { Model, Service } from '../spec/model.ts'
import { contentHash } from './canonical.ts'
import { escapeExpansion, renderEnv } from './kube-env.ts'
import { partLabels, workspaceLabels } from './labels.ts'
import { languageOf } from './language.ts'
import { shortName } from './names.ts'
import { probesOf } from './probes.ts'
import { containerSecurity, podSecurity, requestsAndLimits } from './security.ts'
import type { RemotePlan } from './remote.ts'
import { IMAGE_PLACEHOLDER } from './types.ts'
import type { EnvPlan } from './types.ts'

export interface PodOptions {
  service: Service
  model: Model
  remotes: RemotePlan[]
  env: EnvPlan[]
  /** Which of the service's parts runs in it: `server`, `migrate`, `worker-NAME`, `cron-NAME`. */
  part: string
  /** Undefined: what the image runs by itself. */
  command: string[] | undefined
  /** Only the server listens, is probed, scraped and drained. */
  isServer: boolean
  restartPolicy?: 'Never' | 'OnFailure'
}

export interface PodTemplate {
  metadata: { labels: Record<string, string>; annotations: Record<string, string> }
  spec: Record<string, unknown>
}

/** The pod of one part of a service: one container, restricted, without a token, read-only but for /tmp and its volumes. */
export function podTemplate(options: PodOptions): PodTemplate {
  const { service, model, remotes, env, part, command, isServer } = options
  const selector = partLabels(service.name, shortName(part))
  const container = {
    name: service.name,
    image: IMAGE_PLACEHOLDER + service.name,
    imagePullPolicy: 'IfNotPresent',
    ...(command && { command: command.map(escapeExpansion) }),
    env: renderEnv(env, service, { services: model.services, remotes }),
    ...(isServer && containerPorts(service)),
    resources: requestsAndLimits(service.resources),
    ...(isServer && probesOf(service, model)),
    ...(isServer && drain(service, model)),
    securityContext: containerSecurity(model.platform.readOnlyRootFilesystem),
    volumeMounts: [
      { name: 'tmp', mountPath: '/tmp' },
      ...(isServer ? service.volumes.map((volume) => ({ name: volume.name, mountPath: volume.path })) : []),
    ],
  }
  return {
    metadata: {
      labels: { ...workspaceLabels(model), ...selector },
      annotations: {
        'shiv.dev/config-hash': contentHash({ env: container.env, command: command ?? [] }, 16),
        ...(isServer && scrape(service)),
      },
    },
    spec: {
      serviceAccountName: service.name,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: model.platform.terminationGraceSeconds,
      securityContext: podSecurity(languageOf(service, model).build.user),
      ...(options.restartPolicy ? { restartPolicy: options.restartPolicy } : { topologySpreadConstraints: spread(selector) }),
      containers: [container],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  }
}

function containerPorts(service: Service): { ports?: object[] } {
  const ports = service.ports.map((port) => ({ name: shortName(port.name, 15), containerPort: port.port, protocol: 'TCP' }))
  const metrics = service.observability.metrics
  if (metrics && !service.ports.some((port) => port.port === metrics.port)) {
    ports.push({ name: 'metrics', containerPort: metrics.port, protocol: 'TCP' })
  }
  return ports.length > 0 ? { ports } : {}
}

/** Endpoints take a moment to forget a pod; it goes on answering meanwhile. The kubelet sleeps: an image may have no `sleep`. */
function drain(service: Service, model: Model): { lifecycle?: object } {
  const minor = Number(model.cluster.kubernetes.split('.')[1])
  if (service.ports.length === 0 || minor < 30) return {}
  return { lifecycle: { preStop: { sleep: { seconds: Math.min(5, Math.floor(model.platform.terminationGraceSeconds / 2)) } } } }
}

function scrape(service: Service): Record<string, string> {
  const metrics = service.observability.metrics
  if (!metrics) return {}
  return { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(metrics.port), 'prometheus.io/path': metrics.path }
}

function spread(selector: Record<string, string>): object[] {
  return ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: selector },
  }))
}
