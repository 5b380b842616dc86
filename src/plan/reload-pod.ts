import type { Service } from '../spec/model.ts'
import { languageOf } from './language.ts'
import type { ObjectScope } from './object.ts'
import type { Recorder } from './recorder.ts'
import { goesInPlace, obstacleOf } from './reload-obstacle.ts'
import { OPENED, openWorkload, reloadScripts } from './reload-workload.ts'
import type { ReloadPolicy } from '../spec/reload-policy.ts'
import type { KubeObject, ServicePlan } from './types.ts'

export { overlayName } from './reload-workload.ts'

/**
 * Makes the pods of services such that a save goes into them: the code's folder is a volume seeded from the image, and the command
 * runs under a helper that ends it and starts it anew. Probes, user, limits and policies stay. Where that cannot be, the pods stay as
 * they are, the reason is recorded, and the service's policy says what a save asks for instead. Comes after `openDebug`, whose
 * command it runs.
 */
export function reloadInPlace(
  services: Service[],
  plans: ServicePlan[],
  objects: KubeObject[],
  scope: ObjectScope,
  record: Recorder,
): { plans: ServicePlan[]; added: KubeObject[] } {
  const reloaded = plans.map((plan) => openService(plan, services, objects, scope, record))
  const isNeeded = record.substitutions.some((entry) => entry.id.startsWith(RECORDED))
  return { plans: reloaded, added: isNeeded ? [reloadScripts(scope)] : [] }
}

const RECORDED = 'reload.'

function openService(
  plan: ServicePlan,
  services: Service[],
  objects: KubeObject[],
  scope: ObjectScope,
  record: Recorder,
): ServicePlan {
  const policy = plan.reload
  const service = services.find(({ name }) => name === plan.name)
  if (policy === undefined || service === undefined) return plan
  const id = RECORDED + service.name
  const obstacle = obstacleOf(service, languageOf(service, scope.model), policy)
  if (obstacle !== undefined || !goesInPlace(policy)) {
    const why = obstacle?.why ?? 'no rule of it puts a file into a container'
    record.miss({ id, what: `reload of ${service.name} in place`, production: 'none', why })
    return obstacle === undefined ? plan : { ...plan, reload: { ...policy, obstacle } }
  }
  const workloads = objects.filter((object) => isLasting(object, service))
  for (const workload of workloads) openWorkload(workload, service, policy, scope)
  record.substitute({
    id,
    what: `code of ${service.name}`,
    production: 'in the image; the command is the container’s first process',
    local: `a copy of the image’s ${policy.workdir} in a volume; the command runs under shiv’s helper${installsText(policy)}`,
    why: 'a save goes into the running containers, without a new image',
    touches: workloads.flatMap((workload) => OPENED.map((path) => `${workload.kind}/${workload.metadata.name}${path}`)),
  })
  return plan
}

/** What is installed meanwhile is not told by a Plan: `shiv status` says whether something was. */
function installsText({ rules }: ReloadPolicy): string {
  const made = rules.flatMap((rule) => (rule.do === 'install' && rule.inContainer ? [rule.inContainer.makes] : []))
  return made.length === 0
    ? ''
    : `; after an edit of what is depended on, ${made.join(', ')} is newer than the image until the next start`
}

/** The server and the workers. What runs once, to its end, runs what its image has. */
function isLasting(object: KubeObject, service: Service): boolean {
  const { 'app.kubernetes.io/name': name, 'app.kubernetes.io/component': part = '' } = object.metadata.labels ?? {}
  return (
    (object.kind === 'Deployment' || object.kind === 'StatefulSet') &&
    name === service.name &&
    (part === 'server' || part.startsWith('worker-'))
  )
}
