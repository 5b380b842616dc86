import { delimiter, resolve } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { DependencyAddress } from '../../engine/dependency-ports.ts'
import type { RunContext } from '../../engine/ports.ts'
import { upperSnake } from '../../plan/names.ts'
import { remoteValues } from '../../plan/remote-values.ts'
import { secretVariable } from '../../plan/secrets.ts'
import { TRUST_VARIABLES } from '../../plan/trust.ts'
import type { EnvPlan, Plan, ServicePlan } from '../../plan/types.ts'
import type { DatabaseField, TemplatePart } from '../../spec/model.ts'
import { baseEnvironment } from './base-environment.ts'
import { fillTemplate } from './templates.ts'

/** Where everything listens; known before anything starts. */
export interface Addresses {
  databases: Map<string, Record<DatabaseField, string>>
  /** Ports of each replica of a service, by port name, the first replica first. */
  services: Map<string, Record<string, number>[]>
  /** The front door's URL of a service, where there is one. */
  serviceUrl(service: string): string | undefined
  /** Where the proxy of a dependency listens; undefined while it does not. */
  dependency(name: string): DependencyAddress | undefined
}

/**
 * The environment of a command of the service: what it inherits, what the Plan gives it, its own ports and volumes.
 * Throws ENV_MISSING for a secret without a value, or leaves it out where `lacksSecrets`.
 */
export function serviceEnvironment(
  plan: Plan,
  service: ServicePlan,
  options: {
    ports: Record<string, number>
    out: string
    addresses: Addresses
    context: RunContext
    volumes: Record<string, string>
    lacksSecrets?: boolean
  },
): Record<string, string> {
  const { context, addresses, ports, out } = options
  const env = baseEnvironment(context.environment, 'service')
  env['PATH'] = pathOf(service, out, env['PATH'])
  for (const entry of service.env) {
    if (options.lacksSecrets && isUnknownSecret(plan, service, entry, context)) continue
    env[entry.name] = resolveEntry(plan, service, entry, addresses, context)
  }
  for (const [name, path] of Object.entries(trustOf(service, addresses))) {
    if (!service.env.some((entry) => entry.name === name)) env[name] = path
  }
  for (const [name, path] of Object.entries(options.volumes)) env[`${upperSnake(name)}_PATH`] ??= path
  // The ports are the runtime's to choose here, whatever number production has.
  const [first, ...others] = service.ports
  if (first !== undefined) env['PORT'] = String(ports[first.name])
  for (const { name } of others) env[`PORT_${upperSnake(name)}`] = String(ports[name])
  if (service.metrics !== undefined) env['METRICS_PORT'] = String(ports['metrics'])
  return env
}

/** Lets a service speak TLS to those of its dependencies that production speaks TLS to; what it trusts already is in the files too. */
function trustOf(service: ServicePlan, addresses: Addresses): Record<string, string> {
  const trust = (service.remotes ?? []).map((name) => addresses.dependency(name)?.trust).find((found) => found !== undefined)
  if (trust === undefined) return {}
  return Object.fromEntries(Object.entries(TRUST_VARIABLES).map(([name, file]) => [name, trust.files[file]]))
}

/** The preset's folders (`node_modules/.bin`, a virtual environment) in front of the developer's PATH. */
export function pathOf(service: ServicePlan, out: string, outer: string | undefined): string {
  const own = (service.language.process.path ?? []).map((folder) =>
    resolve(service.root, fillTemplate(folder, { out }, `process.path of the preset ${service.language.name}`)),
  )
  return [...own, outer ?? '/usr/local/bin:/usr/bin:/bin'].join(delimiter)
}

function resolveEntry(plan: Plan, service: ServicePlan, entry: EnvPlan, addresses: Addresses, context: RunContext): string {
  const { source } = entry
  if (source.kind === 'value') return source.parts.map((part) => resolvePart(plan, part, entry, addresses)).join('')
  return resolveSecret(plan, service, { name: entry.name, source }, context)
}

/** The secrets of a service's environment as they are known now, for a process that starts. Throws ENV_MISSING. */
export function secretEnvironment(plan: Plan, service: ServicePlan, context: RunContext): Record<string, string> {
  return Object.fromEntries(
    service.env.flatMap(({ name, source }) =>
      source.kind === 'value' ? [] : [[name, resolveSecret(plan, service, { name, source }, context)]],
    ),
  )
}

interface SecretEntry {
  name: string
  source: Exclude<EnvPlan['source'], { kind: 'value' }>
}

/** Whether a secret of the service has no value in this daemon. */
export function lacksSecret(plan: Plan, service: ServicePlan, context: RunContext): boolean {
  return service.env.some((entry) => isUnknownSecret(plan, service, entry, context))
}

function isUnknownSecret(plan: Plan, service: ServicePlan, { name, source }: EnvPlan, context: RunContext): boolean {
  return source.kind !== 'value' && context.secretValue(secretVariable(plan, service, source) ?? name) === undefined
}

function resolveSecret(plan: Plan, service: ServicePlan, entry: SecretEntry, context: RunContext): string {
  const variable = secretVariable(plan, service, entry.source) ?? entry.name
  const value = context.secretValue(variable)
  if (value !== undefined) return value
  throw new ShivError(`${service.name} wants the environment variable ${variable} (env.${entry.name}), and it is not set.`, {
    code: 'ENV_MISSING',
    exit: 2,
    hint: `set it: export ${variable}=…, or write a line ${variable}=… into .env.local, or give env.${entry.name} a value in service.yaml; then: shiv start`,
  })
}

function resolvePart(plan: Plan, part: TemplatePart, entry: EnvPlan, addresses: Addresses): string {
  if (part.kind === 'text') return part.text
  if (part.kind === 'database') {
    const values = addresses.databases.get(part.database)
    if (values !== undefined) return values[part.field]
    throw unknown(entry, `the database ${part.database}`)
  }
  if (part.kind === 'dependency') {
    const remote = plan.remotes.find(({ name }) => name === part.dependency)
    const address = addresses.dependency(part.dependency)
    if (remote !== undefined && address !== undefined) return remoteValues(remote, address)[part.field]
    throw unknown(entry, `the dependency ${part.dependency}`)
  }
  const port = plan.services.find(({ name }) => name === part.service)?.ports[0]
  const local = port === undefined ? undefined : addresses.services.get(part.service)?.[0]?.[port.name]
  if (port === undefined || local === undefined) throw unknown(entry, `a port of the service ${part.service}`)
  const scheme = port.protocol === 'http' ? 'http' : port.protocol
  const url = new URL((port.protocol === 'http' && addresses.serviceUrl(part.service)) || `${scheme}://127.0.0.1:${local}`)
  // The URL class leaves out a scheme's default port and adds a slash.
  if (part.field === 'url') return url.href.replace(/\/$/, '')
  return part.field === 'host' ? url.hostname : url.port || '80'
}

function unknown(entry: EnvPlan, what: string): ShivError {
  return new ShivError(`env.${entry.name} names ${what}, which is not part of this run.`, {
    code: 'ENV_UNKNOWN_REFERENCE',
    exit: 2,
    hint: 'start the whole workspace, or correct the name in service.yaml',
  })
}
