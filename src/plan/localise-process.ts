import type { Model } from '../spec/model.ts'
import { localiseRemotes } from './localise-remotes.ts'
import { localImages, localNamespace, recordShared } from './localise-shared.ts'
import { Recorder } from './recorder.ts'
import type { KubeObject, Plan } from './types.ts'

const POD = '/spec/template/spec'
const CONTAINER = `${POD}/containers/0`

/** The Plan for plain processes: no objects; what each of production's objects does here is recorded. */
export function localiseForProcess(base: Plan, model: Model): Plan {
  const record = new Recorder()
  recordShared(base, model, record)
  for (const image of base.images) {
    record.substitute({
      id: `image.${image.service}`,
      what: `image of ${image.service}`,
      production: `${image.repository} by digest, from the registry`,
      local: 'your working copy, run by the tools of this machine',
      why: 'there is no container engine',
    })
  }
  for (const database of base.databases) {
    record.substitute({
      id: `database.${database.name}`,
      what: `database ${database.name}`,
      production: `managed ${database.type} ${database.version}`,
      local: `a ${database.type} process of this machine`,
      why: 'a server of the same engine, with data of your own',
    })
  }
  record.miss({
    id: 'kubernetes',
    what: 'Kubernetes',
    production: base.cluster.kubernetes,
    why: 'plain processes: there is no cluster',
  })
  record.miss({ id: 'nodes', what: 'nodes', production: 'several, in several zones', why: 'plain processes of one machine' })
  record.miss({ id: 'namespace', what: 'namespace', production: base.namespace, why: 'plain processes: there is no cluster' })
  for (const service of base.services) {
    if (service.replicas.max <= service.replicas.min) continue
    record.substitute({
      id: `replicas.${service.name}`,
      what: `replicas of ${service.name}`,
      production: `${service.replicas.min} to ${service.replicas.max}`,
      local: String(service.replicas.min),
      why: 'nothing scales plain processes: replicas stay at the minimum',
    })
  }
  for (const service of base.services) {
    record.substitute({
      id: `user.${service.name}`,
      what: `user of ${service.name}`,
      production: 'the uid of the image, never root',
      local: 'your own user',
      why: 'a process runs as who starts it',
    })
  }
  localiseRemotes(base.remotes, base.objects, record, undefined)
  for (const object of base.objects) recordObject(object, record)
  return {
    ...base,
    runtime: 'process',
    namespace: localNamespace(model),
    images: localImages(base, model),
    objects: [],
    // Where the proxy listens, the daemon tells when a process starts.
    remotes: base.remotes.map(({ address: _address, ...remote }) => remote),
    substitutions: record.substitutions,
    absences: record.absences,
  }
}

function recordObject(object: KubeObject, record: Recorder): void {
  const id = `${object.kind}/${object.metadata.name}`
  const miss = (absence: string, what: string, production: string, why: string, paths: string[] = ['']): void =>
    record.miss({ id: absence, what, production, why, touches: paths.map((path) => id + path) })
  const substitute = (
    substitution: string,
    what: string,
    production: string,
    local: string,
    why: string,
    paths: string[] = [''],
  ): void => record.substitute({ id: substitution, what, production, local, why, touches: paths.map((path) => id + path) })
  switch (object.kind) {
    case 'Namespace':
      return miss('pod-security', 'Pod Security', 'restricted by the namespace', 'plain processes have no admission')
    case 'ResourceQuota':
      return miss('quota', 'quota', 'a quota of the namespace', 'plain processes share this machine')
    case 'NetworkPolicy':
      return miss('network-policy', 'network policy', 'only who may, reaches a pod', 'processes of one machine reach each other')
    case 'ServiceAccount':
      return miss('service-account', 'ServiceAccount', 'an identity without a token', 'there is no cluster to be known to')
    case 'HorizontalPodAutoscaler':
      return miss('autoscaler', 'autoscaler', 'replicas follow the load', 'replicas stay at the minimum')
    case 'PodDisruptionBudget':
      return miss('disruption-budget', 'disruption budget', 'one pod at a time leaves', 'there are no nodes to drain')
    case 'Service':
      return substitute(
        'service',
        'Service',
        'a ClusterIP of the cluster',
        'the daemon’s proxy on loopback',
        'there is no cluster network',
      )
    case 'CronJob':
    case 'Job':
    case 'Deployment':
    case 'StatefulSet':
      return recordWorkload(object.kind.endsWith('Job'), miss, substitute)
    default:
      return undefined
  }
}

function recordWorkload(
  isJob: boolean,
  miss: (id: string, what: string, production: string, why: string, paths: string[]) => void,
  substitute: (id: string, what: string, production: string, local: string, why: string, paths: string[]) => void,
): void {
  if (isJob) return
  miss('resources', 'requests and limits', 'CPU and memory of each replica', 'a process takes what the machine has', [
    `${CONTAINER}/resources`,
  ])
  miss('sandbox', 'container sandbox', 'read-only root, no capabilities, seccomp', 'a plain process of yours', [
    `${CONTAINER}/securityContext`,
  ])
  miss('spread', 'spread over nodes', 'replicas on different nodes and zones', 'one machine', [
    `${POD}/topologySpreadConstraints`,
  ])
  miss(
    'drain',
    'drain before stop',
    'a pod answers while endpoints forget it',
    'the proxy forgets a replica before it is stopped',
    [`${CONTAINER}/lifecycle`],
  )
  miss('token', 'no cluster token', 'no token is mounted', 'there is no cluster', [`${POD}/automountServiceAccountToken`])
  miss('scrape', 'scrape annotations', 'Prometheus finds each pod', 'no Prometheus runs here', [
    '/spec/template/metadata/annotations',
  ])
  substitute('user', 'user', 'the uid of the image, never root', 'your own user', 'a process runs as who starts it', [
    `${POD}/securityContext`,
  ])
  substitute('ports', 'ports', 'the same in every pod', 'one for each replica, chosen and kept', 'replicas share one machine', [
    `${CONTAINER}/ports`,
  ])
  substitute('probes', 'probes', 'the kubelet asks', 'the daemon asks the same path', 'there is no kubelet', [
    `${CONTAINER}/startupProbe`,
    `${CONTAINER}/livenessProbe`,
    `${CONTAINER}/readinessProbe`,
  ])
  substitute(
    'update',
    'update',
    'rolling, none unavailable',
    'the proxy holds requests while a replica restarts',
    'there is no rollout',
    ['/spec/strategy', '/spec/updateStrategy'],
  )
  substitute('volumes', 'volumes', 'a claim for each replica', 'a folder of the run', 'there is no storage class', [
    '/spec/volumeClaimTemplates',
  ])
}
