import { ShivError } from '../../core/errors.ts'
import type { Plan } from '../../plan/types.ts'
import type { Environment, Model } from '../../spec/model.ts'
import type { Planner } from '../parts.ts'
import type { ClusterTarget, DeployCaller, DeployDrivers } from './ports.ts'

/** One service on its way to one environment. */
export interface Destination {
  model: Model
  plan: Plan
  service: string
  target: ClusterTarget
  isProduction: boolean
}

/**
 * Where a service goes, from its definition alone. Throws DEPLOY_LOCAL, DEPLOY_NO_CONTEXT, DEPLOY_WHICH_SERVICE, and what reading the workspace does.
 */
export async function findDestination(
  planner: Planner,
  params: { path: string; services: string[]; env: string },
): Promise<Destination> {
  const model = await planner.load(params.path, { environment: params.env })
  const { environment } = model
  if (environment.name === 'local') throw isLocal(model)
  const service = oneService(model, params.services)
  const plan = planner.build(model, { services: [service], alone: true })
  const { context } = environment
  if (context === undefined) throw noContext(environment)
  const target = { context, namespace: plan.namespace, workspace: model.workspace.name, service, environment: environment.name }
  return { model, plan, service, target, isProduction: environment.isProduction }
}

/** What is built needs a registry on its way to the cluster. Throws DEPLOY_NO_REGISTRY. */
export function requireRegistry({ model, plan, service }: Destination): void {
  const isBuilt = plan.images.some(({ source }) => source.kind === 'build')
  if (isBuilt && model.environment.registry === undefined) throw noRegistry(model.environment, service)
}

/**
 * An environment that is not production's must not lead to production's namespace, whatever its context is called. Throws DEPLOY_IS_PRODUCTION.
 */
export async function refuseHiddenProduction(
  { model, target }: Destination,
  drivers: DeployDrivers,
  caller: DeployCaller,
): Promise<void> {
  const { environments, environment } = model
  if (environment.isProduction) return
  const others = Object.values(environments).filter(({ isProduction, context }) => isProduction && context !== undefined)
  const server = others.length === 0 ? undefined : await drivers.serverOf(target.context, caller)
  for (const other of others) {
    const namespace = other.namespace ?? model.workspace.name
    const isSame =
      other.context === target.context || (server !== undefined && server === (await drivers.serverOf(other.context!, caller)))
    if (!isSame || namespace !== target.namespace) continue
    throw new ShivError(
      `${environment.name} leads to the namespace ${namespace} of the cluster that ${other.name} is in: that is ${other.name} itself.`,
      {
        code: 'DEPLOY_IS_PRODUCTION',
        exit: 2,
        hint: `give one of them another context or namespace in shiv.yaml: environments: { ${environment.name}: { namespace: ${namespace}-${environment.name} } }`,
      },
    )
  }
}

function oneService(model: Model, names: string[]): string {
  const [name] = names.length > 0 ? names : model.services.map((service) => service.name)
  if (name !== undefined && (names.length === 1 || model.services.length === 1)) return name
  const known = model.services.map((service) => service.name).join(', ')
  throw new ShivError(names.length > 1 ? 'One service is deployed at a time.' : 'Which service is to be deployed?', {
    code: 'DEPLOY_WHICH_SERVICE',
    exit: 2,
    hint: `name one of: ${known}`,
  })
}

function isLocal(model: Model): ShivError {
  const others = Object.keys(model.environments).filter((name) => name !== 'local')
  return new ShivError('local is this machine: nothing is deployed to it.', {
    code: 'DEPLOY_LOCAL',
    exit: 2,
    hint: `shiv start runs it here; deploy takes --env ${others.join(' or --env ')}`,
  })
}

function noContext({ name }: Environment): ShivError {
  return new ShivError(`The environment ${name} names no context of a kubeconfig, so there is no cluster to deploy to.`, {
    code: 'DEPLOY_NO_CONTEXT',
    exit: 2,
    hint: `write it in shiv.yaml: environments: { ${name}: { context: NAME } }; kubectl config get-contexts lists yours, the current one is never taken`,
  })
}

function noRegistry({ name }: Environment, service: string): ShivError {
  return new ShivError(`The environment ${name} names no registry, so the image of ${service} cannot reach its cluster.`, {
    code: 'DEPLOY_NO_REGISTRY',
    exit: 2,
    hint: `write it in shiv.yaml: environments: { ${name}: { registry: registry.example.com/team } }`,
  })
}
