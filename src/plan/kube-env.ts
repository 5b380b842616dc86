import type { EnvSource, Service, TemplatePart } from '../spec/model.ts'
import { clusterAddress } from './address.ts'
import { credentialsSecret, externalSecret, upperSnake } from './names.ts'
import type { EnvPlan } from './types.ts'

/** Of the variables that only carry a value into others. */
export const HELPER_PREFIX = 'SHIV_'

export interface EnvVar {
  name: string
  value?: string
  valueFrom?: { secretKeyRef: { name: string; key: string } }
}

/**
 * A service's variables as a container's `env`. A field of a database is a reference to its Secret; where it stands amid
 * other text, a helper variable holds it, defined before its use, and Kubernetes puts it in by `$(NAME)`.
 */
export function renderEnv(env: EnvPlan[], service: Service, services: Service[]): EnvVar[] {
  const vars = new Map<string, EnvVar>()
  for (const entry of env) {
    const rendered = renderSource(entry.name, entry.source, service, services, (helper) => vars.set(helper.name, helper))
    vars.set(rendered.name, rendered)
  }
  return [...vars.values()]
}

function renderSource(name: string, source: EnvSource, service: Service, services: Service[], help: (v: EnvVar) => void): EnvVar {
  if (source.kind !== 'value') return secretVar(name, externalSecret(service.name, source.secret), source.key)
  const [only] = source.parts
  if (source.parts.length === 1 && only?.kind === 'database') return secretVar(name, credentialsSecret(only.database), only.field)
  return { name, value: source.parts.map((part) => renderPart(part, services, help)).join('') }
}

function renderPart(part: TemplatePart, services: Service[], help: (v: EnvVar) => void): string {
  if (part.kind === 'text') return escapeExpansion(part.text)
  if (part.kind === 'database') {
    const helper = `${HELPER_PREFIX}${upperSnake(part.database)}_${upperSnake(part.field)}`
    help(secretVar(helper, credentialsSecret(part.database), part.field))
    return `$(${helper})`
  }
  const target = services.find((candidate) => candidate.name === part.service)
  if (!target) throw new Error(`the model holds no service ${part.service}`)
  return clusterAddress(target)[part.field]
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
