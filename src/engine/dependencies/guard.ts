import { ShivError } from '../../core/errors.ts'
import type { RemoteEnvironment, RemotePlan } from '../../plan/remote.ts'

/** Whether a mode leads out of this machine. */
export function leadsOut(mode: RemotePlan['mode'], remote: RemotePlan): boolean {
  return mode === 'staging' || mode === 'record' || (mode === 'replay' && remote.recording.recordMissing)
}

/** The environment that a dependency's target belongs to, where that is known. */
export function environmentOf(remote: RemotePlan, environments: RemoteEnvironment[]): RemoteEnvironment | undefined {
  const name = remote.target.environment
  return environments.find((environment) => environment.name === name)
}

/**
 * Refuses what must never be reached: production, unless shiv.yaml allows it to be read and the dependency asks for no more. The check of the
 * spec says the same earlier; this one holds for whatever Plan comes. Throws DEPENDENCY_PRODUCTION.
 */
export function refuseProduction(remote: RemotePlan, environments: RemoteEnvironment[]): void {
  const environment = environmentOf(remote, environments)
  if (environment === undefined || !isProduction(environment)) return
  const { name, access } = remote
  if (environment.allowProduction === undefined) {
    throw production(`${name} would lead to ${environment.name}, which is never a target.`, {
      hint: `shiv proxy mode ${name} local · or lead it to another environment in service.yaml`,
    })
  }
  if (access.level !== 'read_only' || access.allow.length > 0) {
    throw production(`${name} leads to ${environment.name}, which may be read only, and asks for more.`, {
      hint: `take access and its exceptions out of ${name} in service.yaml`,
    })
  }
}

/** By its mark, or by its name: a Plan without the mark is not taken for harmless. */
function isProduction({ isProduction, name }: RemoteEnvironment): boolean {
  return isProduction || name === 'production' || name === 'prod'
}

/**
 * Refuses an environment whose context leads to the API server of production: a context that was copied, renamed or mixed up.
 * `serverOf` is asked for contexts of the user's kubeconfig. Throws DEPENDENCY_PRODUCTION_CLUSTER, and what `serverOf` throws for the target's own context.
 */
export async function refuseProductionCluster(
  remote: RemotePlan,
  environments: RemoteEnvironment[],
  serverOf: (context: string) => Promise<URL>,
): Promise<void> {
  const environment = environmentOf(remote, environments)
  if (environment?.context === undefined || isProduction(environment)) return
  const others = environments.filter((other) => isProduction(other) && other.context !== undefined)
  if (others.length === 0) return
  const server = placeOf(await serverOf(environment.context))
  for (const other of others) {
    // A context of production that this machine does not have leads nowhere.
    const forbidden = await serverOf(other.context ?? '').catch(() => undefined)
    if (forbidden === undefined || placeOf(forbidden) !== server) continue
    throw new ShivError(
      `${remote.name} is to lead to ${environment.name}, but its context "${environment.context}" is the cluster of ${other.name} (${server}).`,
      {
        code: 'DEPENDENCY_PRODUCTION_CLUSTER',
        exit: 4,
        hint: `kubectl config get-contexts shows what you have; correct environments.${environment.name}.context in shiv.yaml`,
      },
    )
  }
}

function placeOf({ hostname, port, protocol }: URL): string {
  return `${hostname.replace(/\.$/, '').toLowerCase()}:${port || (protocol === 'http:' ? '80' : '443')}`
}

function production(message: string, { hint }: { hint: string }): ShivError {
  return new ShivError(message, { code: 'DEPENDENCY_PRODUCTION', exit: 4, hint })
}
