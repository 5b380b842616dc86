import type { Fault } from '../core/errors.ts'
import { suggest } from '../core/suggest.ts'
import type { Environment, Rollout } from './model.ts'
import { authSource } from './resolve-rules.ts'
import { faultAt } from './source.ts'
import { valueSpan } from './tree.ts'
import type { MapTree } from './tree.ts'
import { parseDuration } from './duration.ts'
import type { EnvironmentEntry } from './workspace-schema.ts'
import type { FoundWorkspace } from './workspace.ts'

/** Environments that exist without being written down. */
const ALWAYS = ['local', 'production']

/** Those of shiv.yaml; where it names none, those that the services override; and the two that are always there. */
export function listEnvironments({ data }: FoundWorkspace, trees: MapTree[]): Record<string, Environment> {
  const written = Object.entries(data.environments ?? {})
  const implied = written.length > 0 ? [] : trees.flatMap((tree) => overridesOf(tree).map(([name]) => name))
  const names = [...new Set([...ALWAYS, ...written.map(([name]) => name), ...implied])]
  const fields = new Map(written)
  return Object.fromEntries(names.map((name) => [name, environmentOf(name, fields.get(name) ?? {})]))
}

/** Without a word, these are not taken for harmless. */
const PRODUCTION = new Set(['production', 'prod'])

function environmentOf(name: string, written: EnvironmentEntry): Environment {
  const {
    auth,
    production = PRODUCTION.has(name),
    allow_production: allowed,
    why: besides,
    rollout,
    public_url,
    ...fields
  } = written
  const why = typeof allowed === 'object' ? allowed.why : allowed && besides
  return {
    name,
    ...fields,
    isProduction: production,
    ...(public_url !== undefined && { publicUrl: public_url }),
    ...(rollout !== undefined && { rollout: rolloutOf(rollout) }),
    ...(auth !== undefined && { auth: authSource(auth) }),
    ...(why !== undefined && { allowProduction: { level: 'read_only', why } }),
  }
}

function rolloutOf({ timeout, steady }: NonNullable<EnvironmentEntry['rollout']>): Partial<Rollout> {
  const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout)
  const steadyMs = steady === undefined ? undefined : parseDuration(steady)
  return { ...(timeoutMs !== undefined && { timeoutMs }), ...(steadyMs !== undefined && { steadyMs }) }
}

/** The chosen environment must exist, and so must each that a service overrides. */
export function checkEnvironments(
  { tree }: FoundWorkspace,
  trees: MapTree[],
  environments: Record<string, Environment>,
  chosen: string,
  faults: Fault[],
): void {
  const fault = (name: string) => ({
    code: 'SPEC_UNKNOWN_ENVIRONMENT',
    message: `there is no environment "${name}"`,
    hint: unknownEnvironmentHint(
      name,
      Object.keys(environments),
      '{ context: CONTEXT, namespace: NAMESPACE, registry: REGISTRY }',
    ),
  })
  if (!Object.hasOwn(environments, chosen)) {
    const at = tree === undefined ? undefined : valueSpan(tree, tree.entries.has('environments') ? ['environments'] : [])
    faults.push(at === undefined ? fault(chosen) : faultAt(at, fault(chosen)))
  }
  for (const service of trees) {
    for (const [name, key] of overridesOf(service)) if (!Object.hasOwn(environments, name)) faults.push(faultAt(key, fault(name)))
  }
}

/** The chosen one, and each in which some service differs: a fault must not wait for its environment's day. */
export function environmentsToCheck(environments: Record<string, Environment>, trees: MapTree[], chosen: string): string[] {
  const overridden = trees.flatMap((tree) => overridesOf(tree).map(([name]) => name))
  return [...new Set([chosen, ...overridden.filter((name) => Object.hasOwn(environments, name))])]
}

function overridesOf(tree: MapTree) {
  const overrides = tree.entries.get('environments')?.value
  return overrides?.kind === 'map' ? [...overrides.entries].map(([name, entry]) => [name, entry.key] as const) : []
}

/** A name that is near, else what to write. */
export function unknownEnvironmentHint(name: string, known: string[], content: string): string {
  const near = suggest(name, known)
  return near === undefined ? `add it to shiv.yaml: environments: { ${name}: ${content} }` : `did you mean "${near}"?`
}
