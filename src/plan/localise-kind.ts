import type { Model, Service } from '../spec/model.ts'
import { inApplyOrder, refuseTwins } from './assemble.ts'
import { databaseObjects } from './database-objects.ts'
import { openDebug } from './debug.ts'
import { hostPeer } from './local-network.ts'
import { localiseRemotes } from './localise-remotes.ts'
import { localImages, localNamespace, recordShared } from './localise-shared.ts'
import type { ObjectScope } from './object.ts'
import { getPointer, setPointer } from './pointer.ts'
import { Recorder } from './recorder.ts'
import { remoteObjects } from './remote-objects.ts'
import { reloadInPlace } from './reload-pod.ts'
import { authorityConfig } from './trust.ts'
import type { KubeObject, Plan } from './types.ts'

const SCALE_DOWN = '/spec/behavior/scaleDown/stabilizationWindowSeconds'

/** The Plan for a kind cluster: production's objects, less what the recorded substitutions say. Services of `base` with a policy are reloaded in place. */
export function localiseForKind(base: Plan, services: Service[], model: Model, debug: boolean): Plan {
  const record = new Recorder()
  const scope: ObjectScope = { model, namespace: localNamespace(model), remotes: base.remotes }
  recordShared(base, model, record)
  const images = localImages(base, model)
  recordImages(base, images, record)
  const objects = (JSON.parse(JSON.stringify(base.objects)) as KubeObject[]).filter((object) => object.kind !== 'Ingress')
  for (const object of objects) substituteIn(object, base, scope.namespace, record)
  recordNodes(base, record)
  const added = base.databases.flatMap((database) => {
    record.substitute({
      id: `database.${database.name}`,
      what: `database ${database.name}`,
      production: `managed ${database.type} ${database.version}`,
      local: `${database.image} in the cluster`,
      why: 'a server of the same engine and major version, with data of your own',
    })
    return databaseObjects(database, scope, { isReachedFromHost: true })
  })
  added.push(...remoteObjects(scope))
  if (base.remotes.some(({ inCluster }) => inCluster.tls)) added.push(authorityConfig(scope))
  localiseRemotes(base.remotes, objects, record, scope.namespace)
  if (debug) for (const service of services) added.push(...openDebug(service, objects, scope, record))
  const reload = reloadInPlace(services, base.services, objects, scope, record)
  const all = [...objects, ...added, ...reload.added]
  refuseTwins(all)
  return {
    ...base,
    runtime: 'kind',
    namespace: scope.namespace,
    images,
    services: reload.plans,
    objects: inApplyOrder(all),
    substitutions: record.substitutions,
    absences: record.absences,
  }
}

function recordImages(base: Plan, images: Plan['images'], record: Recorder): void {
  for (const [index, image] of images.entries()) {
    if (image.source.kind === 'reference') continue
    record.substitute({
      id: `image.${image.service}`,
      what: `image of ${image.service}`,
      production: `${base.images[index]?.repository} by digest, from the registry`,
      local: `${image.repository} by content hash, built here`,
      why: 'your working copy runs, not the last release',
    })
  }
}

function substituteIn(object: KubeObject, base: Plan, namespace: string, record: Recorder): void {
  if (object.kind === 'Namespace') object.metadata.name = namespace
  else object.metadata.namespace = namespace
  const id = `${object.kind}/${object.metadata.name}`
  if (object.kind === 'Namespace') {
    record.substitute({
      id: 'namespace',
      what: 'namespace',
      production: base.namespace,
      local: namespace,
      why: 'workspaces share one local cluster',
    })
  }
  if (object.kind === 'Service') {
    setPointer(object, '/spec/type', 'NodePort')
    record.substitute({
      id: 'service-type',
      what: 'Service type',
      production: 'ClusterIP',
      local: 'NodePort',
      why: 'requests of this machine come straight to the node, without a port-forward that may break',
      touches: [`${id}/spec/type`],
    })
  }
  if (object.kind === 'NetworkPolicy' && admitHost(object)) {
    record.substitute({
      id: 'network-policy',
      what: 'network policy',
      production: 'the namespace’s pods and ingress controllers',
      local: 'those and this machine; other pods stay shut out',
      why: 'requests of this machine come through the NodePort',
      touches: [`${id}/spec/ingress`],
    })
  }
  if (object.kind === 'HorizontalPodAutoscaler') {
    const production = getPointer(object, SCALE_DOWN)
    setPointer(object, SCALE_DOWN, 30)
    record.substitute({
      id: 'scale-down',
      what: 'wait before scaling down',
      production: `${String(production)} s`,
      local: '30 s',
      why: 'a developer sees it happen',
      touches: [id + SCALE_DOWN],
    })
  }
}

/** Every rule that lets pods in lets the host in; true when there was one. */
function admitHost(policy: KubeObject): boolean {
  const rules = (getPointer(policy, '/spec/ingress') as { from: object[] }[] | undefined) ?? []
  for (const rule of rules) rule.from.push(hostPeer)
  return rules.length > 0
}

function recordNodes(base: Plan, record: Recorder): void {
  const nodes = base.cluster.workers + 1
  record.substitute({
    id: 'nodes',
    what: 'nodes',
    production: 'several, in several zones',
    local: nodes === 1 ? 'one' : `${nodes} on one machine`,
    why: 'one machine; the spread over nodes and zones is asked for in the same words and has nowhere to go',
  })
}
