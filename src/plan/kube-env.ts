import type { EnvSource, Service, TemplatePart } from '../spec/model.ts'
import { clusterAddress } from './address.ts'
import { credentialsSecret, externalSecret, upperSnake } from './names.ts'
import type { RemotePlan } from './remote.ts'
import type { EnvPlan } from './types.ts'

/** Of the variables that only carry a value into others. */
export const HELPER_PREFIX = 'SHIV_'

export interface EnvVar {
  name: string
  value?: string
  valueFrom?: { secretKeyRef: { name: string; key: string } }
}

/** What the parts of a value stand for. */
export interface EnvWorld {
  services: Service[]
  remotes: RemotePlan[]
}

/**
 * A service's variables as a container's `env`. A field of a database is a reference to its Secret; where it stands amid
 * other text, a helper variable holds it, defined before its use, and Kubernetes puts it in by `$(NAME)`.
 */
export function renderEnv(env: EnvPlan[], service: Service, world: EnvWorld): EnvVar[] {
  const vars = new Map<string, EnvVar>()
  for (const entry of env) {
    const rendered = renderSource(entry.name, entry.source, service, world, (helper) => vars.set(helper.name, helper))
    vars.set(rendered.name, rendered)
  }
  return [...vars.values()]
}

function renderSource(name: string, source: EnvSource, service: Service, world: EnvWorld, help: (v: EnvVar) => void): EnvVar {
  if (source.kind !== 'value') return secretVar(name, externalSecret(service.name, source.secret), source.key)
  const [only] = source.parts
  const secret = source.parts.length === 1 && only ? secretOf(only, world) : undefined
  if (secret) return secretVar(name, secret.name, secret.key)
  return { name, value: source.parts.map((part) => renderPart(part, world, help)).join('') }
}

function renderPart(part: TemplatePart, world: EnvWorld, help: (v: EnvVar) => void): string {
  if (part.kind === 'text') return escapeExpansion(part.text)
  const secret = secretOf(part, world)
  if (secret) {
    const helper = `${HELPER_PREFIX}${upperSnake(secret.of)}_${upperSnake(secret.key)}`
    help(secretVar(helper, secret.name, secret.key))
    return `$(${helper})`
  }
  if (part.kind === 'dependency') return escapeExpansion(remoteOf(part.dependency, world).address?.[part.field as 'url'] ?? '')
  if (part.kind === 'database') throw new Error(`the database ${part.database} has no Secret`)
  const target = world.services.find((candidate) => candidate.name === part.service)
  if (!target) throw new Error(`the model holds no service ${part.service}`)
  return clusterAddress(target)[part.field]
}

/** The key of a Secret that a part stands for, and the database it is of. */
function secretOf(part: TemplatePart, world: EnvWorld): { name: string; key: string; of: string } | undefined {
  if (part.kind === 'database') return { name: credentialsSecret(part.database), key: part.field, of: part.database }
  if (part.kind !== 'dependency') return undefined
  const { secret } = remoteOf(part.dependency, world)
  return secret === undefined ? undefined : { name: secret, key: part.field, of: part.dependency }
}

function remoteOf(name: string, world: EnvWorld): RemotePlan {
  const remote = world.remotes.find((candidate) => candidate.name === name)
  if (!remote) throw new Error(`the Plan holds no dependency ${name}`)
  return remote
}

function secretVar(name: string, secret: string, key: string): EnvVar {
  return { name, valueFrom: { secretKeyRef: { name: secret, key } } }
}

/**
 * Keeps Kubernetes from reading `$(NAME)` and `$$` in a user's own text: `$$` stands for one `$`. A lone `$` before anything
 * else needs nothing, and at the end of a part it might meet a parenthesis.
 */
export function escapeExpansion(text: string): string {
  return text.replaceAll(/\$\$+|\$(?=\(|$)/g, (run) => run + run)
}
