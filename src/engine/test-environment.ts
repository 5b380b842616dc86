import type { DatabaseField, EnvSource, TemplatePart } from '../spec/model.ts'
import { upperSnake } from '../plan/names.ts'
import { remoteValues } from '../plan/remote-values.ts'
import { secretVariable } from '../plan/secrets.ts'
import type { Plan, ServicePlan } from '../plan/types.ts'
import type { DependencyAddress } from './dependency-ports.ts'
import type { DatabaseState } from './ports.ts'

/** Where the parts of a run answer on this machine. */
export interface HostAddresses {
  databases: readonly Pick<DatabaseState, 'name' | 'url'>[]
  /** Of a service, without a path. */
  service(name: string): string | undefined
  dependency(name: string): DependencyAddress | undefined
  /** Of the developer's own secrets. */
  secretValue(variable: string): string | undefined
}

/**
 * What a service's tests get to know of the run: `SHIV_URL` of the service itself, `NAME_URL` of each service that answers here, and the service's own
 * variables of databases, dependencies and its service.yaml, under their names in production and with addresses of this machine. What the presets
 * set (PORT, NODE_ENV) is for the service's process and is left out, and so is what has no value here.
 */
export function testEnvironment(plan: Plan, service: ServicePlan, addresses: HostAddresses): Record<string, string> {
  const env: Record<string, string> = {}
  for (const { name } of plan.services) {
    const url = addresses.service(name)
    if (url !== undefined) env[`${upperSnake(name)}_URL`] = url
  }
  const own = addresses.service(service.name)
  if (own !== undefined) env['SHIV_URL'] = own
  for (const { name, source, from } of service.env) {
    if (from === 'platform' || from?.startsWith('preset ')) continue
    const value = valueOf(plan, service, source, addresses)
    if (value !== undefined) env[name] = value
  }
  return env
}

function valueOf(plan: Plan, service: ServicePlan, source: EnvSource, addresses: HostAddresses): string | undefined {
  if (source.kind !== 'value') {
    const variable = secretVariable(plan, service, source)
    return variable === undefined ? undefined : addresses.secretValue(variable)
  }
  const parts = source.parts.map((part) => partOf(plan, part, addresses))
  return parts.some((part) => part === undefined) ? undefined : parts.join('')
}

function partOf(plan: Plan, part: TemplatePart, addresses: HostAddresses): string | undefined {
  if (part.kind === 'text') return part.text
  if (part.kind === 'dependency') {
    const remote = plan.remotes.find(({ name }) => name === part.dependency)
    const address = addresses.dependency(part.dependency)
    return remote && address && remoteValues(remote, address)[part.field]
  }
  if (part.kind === 'service') {
    const url = addresses.service(part.service)
    if (url === undefined || part.field === 'url') return url
    // An address that is not HTTP is host and port alone.
    const { hostname, port } = new URL(url.includes('://') ? url : `tcp://${url}`)
    return part.field === 'host' ? hostname : port || '80'
  }
  const url = addresses.databases.find(({ name }) => name === part.database)?.url
  return url === undefined ? undefined : databaseField(url, part.field)
}

function databaseField(url: string, field: DatabaseField): string {
  const { hostname, port, username, password, pathname } = new URL(url)
  const fields = {
    url,
    host: hostname,
    port,
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    name: decodeURIComponent(pathname.slice(1)),
  }
  return fields[field]
}
