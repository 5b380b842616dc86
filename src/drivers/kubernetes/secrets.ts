import { randomBytes } from 'node:crypto'
import { ShivError, type Fault } from '../../core/errors.ts'
import type { DependencyAddresses } from '../../engine/dependency-ports.ts'
import type { RunContext } from '../../engine/ports.ts'
import type { DatabasePlan, KubeObject, Plan, SecretKey, SecretPlan } from '../../plan/types.ts'
import { hostIn, remoteValues } from '../../plan/remote-values.ts'
import { type KubeClient, orMissing } from './client.ts'
import { knownPath } from './mapping.ts'
import { LABEL, type SecretObject } from './objects.ts'

/**
 * The Secrets of a Plan with their values, ready to be applied. Credentials are made once and read back from the cluster ever
 * after; the developer's own values come from the context each time. The values live in memory and in the cluster only.
 */
export async function makeSecrets(
  client: KubeClient,
  plan: Plan,
  run: string,
  { context, addresses }: { context: RunContext; addresses: DependencyAddresses },
): Promise<KubeObject[]> {
  const valuesOf = async (secret: SecretPlan): Promise<Record<string, string>> => {
    const { source } = secret
    if (source.kind === 'dependency') return dependencyValues(plan, source.dependency, addresses)
    if (source.kind === 'external') return externalValues(secret, context)
    return credentialsOf(client, plan, secret, databaseOf(plan, source.database))
  }
  return Promise.all(
    plan.secrets.map(async (secret) => {
      const database = secret.source.kind === 'credentials' ? databaseOf(plan, secret.source.database) : undefined
      const values = await valuesOf(secret)
      return secretObject(plan.namespace, run, secret.name, values, database)
    }),
  )
}

/** The Secrets of the Plan's databases alone, made once and read back ever after. */
export function makeCredentials(client: KubeClient, plan: Plan, run: string): Promise<KubeObject[]> {
  return Promise.all(
    plan.secrets.map(async (secret) => {
      if (secret.source.kind !== 'credentials') throw new Error(`${secret.name} is not of a database`)
      const database = databaseOf(plan, secret.source.database)
      return secretObject(plan.namespace, run, secret.name, await credentialsOf(client, plan, secret, database), database)
    }),
  )
}

/** Reads a database's Secret; undefined when it is not there. */
export async function readCredentials(
  client: KubeClient,
  namespace: string,
  secret: string,
): Promise<Record<string, string> | undefined> {
  const object = await orMissing(client.call<SecretObject>('GET', knownPath('Secret', namespace, secret)))
  if (object === undefined) return undefined
  const entries = Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')])
  return Object.fromEntries(entries) as Record<string, string>
}

/** The URL of a database at an address, from its preset's template. */
export function databaseUrl(
  database: DatabasePlan,
  values: Record<string, string>,
  address: { host: string; port: number },
): string {
  const fields: Record<string, string> = {
    scheme: database.preset.scheme,
    user: encodeURIComponent(values['user'] ?? ''),
    password: encodeURIComponent(values['password'] ?? ''),
    name: values['name'] ?? '',
    host: address.host,
    port: String(address.port),
  }
  return database.preset.url.replace(/\$\{(\w+)\}/g, (whole, name: string) => fields[name] ?? whole)
}

async function credentialsOf(
  client: KubeClient,
  plan: Plan,
  secret: SecretPlan,
  database: DatabasePlan,
): Promise<Record<string, string>> {
  const existing = await readCredentials(client, plan.namespace, secret.name)
  const { user, name, password } = database.preset.credentials
  const values: Record<string, string> = {
    host: database.name,
    port: String(database.preset.port),
    user: existing?.['user'] ?? user ?? '',
    name: existing?.['name'] ?? name ?? '',
    password: existing?.['password'] ?? (password ? randomBytes(24).toString('base64url') : ''),
  }
  values['url'] = databaseUrl(database, values, { host: database.name, port: database.preset.port })
  const wanted = secret.keys.map(({ key }) => key)
  return Object.fromEntries(Object.entries(values).filter(([key]) => wanted.length === 0 || wanted.includes(key)))
}

function externalValues(secret: SecretPlan, context: RunContext): Record<string, string> {
  return Object.fromEntries(secret.keys.map(({ key, variable }) => [key, context.secretValue(variable) ?? '']))
}

/** What the proxy of a dependency asks of services, at the name that they call. */
function dependencyValues(plan: Plan, name: string, addresses: DependencyAddresses): Record<string, string> {
  const remote = plan.remotes.find((candidate) => candidate.name === name)
  const address = addresses.get(name)
  if (remote === undefined || address === undefined) throw new Error(`the dependency ${name} is not open to pods`)
  const { inCluster } = remote
  return remoteValues(remote, { ...address, host: hostIn(inCluster, plan.namespace), port: inCluster.port })
}

/** Throws SECRET_MISSING that names every value that the Plan wants and nobody gave. */
export function requireSecretValues(plan: Plan, context: RunContext): void {
  const secrets = plan.secrets.filter(({ source }) => source.kind === 'external')
  const missing = secrets.flatMap(({ keys }) => keys).filter(({ variable }) => context.secretValue(variable) === undefined)
  if (missing.length === 0) return
  const [first] = missing
  const variables = [...new Set(missing.map(({ variable }) => variable))]
  const what =
    variables.length === 1 ? `The secret value ${variables[0]} is missing` : `Secret values are missing: ${variables.join(', ')}`
  const wanted = [...new Set(missing.flatMap(({ wantedBy }) => wantedBy))].join(', ')
  throw new ShivError(`${what}; wanted by ${wanted}.`, {
    code: 'SECRET_MISSING',
    exit: 2,
    hint:
      `Give it for this shell: export ${first?.variable}=…\n` +
      `or for this workspace: a line ${first?.variable}=… in .env.local beside shiv.yaml (keep that file out of git)\n` +
      `or for one service: the same line in .env.local beside its service.yaml`,
    faults: missing.map(faultOf),
  })
}

function faultOf(key: SecretKey): Fault {
  return {
    code: 'SECRET_MISSING',
    message: `${key.variable} is wanted by ${key.wantedBy.join(', ')}${key.prompt ? ` (${key.prompt})` : ''}`,
    ...(key.position && { file: key.position.file, line: key.position.line, column: key.position.column }),
  }
}

function secretObject(
  namespace: string,
  run: string,
  name: string,
  values: Record<string, string>,
  database: DatabasePlan | undefined,
): KubeObject {
  const data = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]))
  const labels = { [LABEL.managedBy]: 'shiv', [LABEL.run]: run, ...(database && { [LABEL.database]: database.name }) }
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace, labels }, type: 'Opaque', data }
}

function databaseOf(plan: Plan, name: string): DatabasePlan {
  const database = plan.databases.find((entry) => entry.name === name)
  if (database === undefined) throw new Error(`the Plan has credentials for a database ${name} that it does not have`)
  return database
}
