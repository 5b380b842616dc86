import { unknownEnvironmentHint } from './environments.ts'
import type { RemoteEntry } from './dependency-schema.ts'
import type { Draft } from './draft.ts'
import { isUnder } from './resolve-rules.ts'
import type { Path } from './tree.ts'

const DEFAULT = 'staging'

/**
 * The environment that a dependency is in: as written; else, of a URL, the one with the longest domain that its host is under; else
 * `staging`. Undefined for a URL of which nothing is known.
 */
export function chooseEnvironment(draft: Draft, path: Path, written: string | undefined, host: string): string | undefined
export function chooseEnvironment(draft: Draft, path: Path, written: string | undefined, host: undefined): string
export function chooseEnvironment(
  draft: Draft,
  _path: Path,
  written: string | undefined,
  host: string | undefined,
): string | undefined {
  if (written !== undefined) return written
  if (host === undefined) return DEFAULT
  const [nearest] = Object.values(draft.environments)
    .filter(({ name, domain }) => name !== 'local' && isUnder(host, domain))
    .toSorted((a, b) => b.domain!.length - a.domain!.length)
  if (nearest !== undefined) return nearest.name
  return Object.hasOwn(draft.environments, DEFAULT) ? DEFAULT : undefined
}

/** Whether a dependency may lead into an environment; if not, why goes to the draft's faults. */
export function checkEnvironment(
  draft: Draft,
  path: Path,
  target: string,
  name: string,
  { entry, needsContext }: { entry: RemoteEntry; needsContext: boolean },
): boolean {
  const at = [...path, entry.env === undefined ? target : 'env']
  const environment = Object.hasOwn(draft.environments, name) ? draft.environments[name] : undefined
  if (environment === undefined) {
    const content = needsContext ? '{ context: CONTEXT, namespace: NAMESPACE }' : '{}'
    const hint = unknownEnvironmentHint(name, Object.keys(draft.environments), content)
    draft.faultAtValue(at, { code: 'SPEC_UNKNOWN_ENVIRONMENT', message: `there is no environment "${name}"`, hint })
    return false
  }
  if (name === 'local') {
    const hint = 'name the other environment, and write mode: local where the local one should be used'
    draft.faultAtValue(at, { code: 'SPEC_BAD_VALUE', message: 'a dependency leads into another environment than local', hint })
    return false
  }
  if (needsContext && environment.context === undefined) {
    draft.faultAtValue(at, {
      code: 'SPEC_NO_CONTEXT',
      message: `the environment "${name}" names no context of the kubeconfig, and a ${target} is reached through its cluster`,
      hint: `add it to shiv.yaml: environments: { ${name}: { context: CONTEXT } }; kubectl config get-contexts lists them`,
    })
    return false
  }
  return checkProduction(draft, at, path, environment.name, entry)
}

/** Production may be read where that is allowed with a reason, and is never written to. What is deployed there belongs there. */
function checkProduction(draft: Draft, at: Path, path: Path, name: string, entry: RemoteEntry): boolean {
  const environment = draft.environments[name]!
  if (!environment.isProduction || draft.environment === name) return true
  if (environment.allowProduction === undefined) {
    const isGuess = entry.env !== name
    const message = isGuess
      ? `this address is under the domain of the environment "${name}", which is production`
      : `the environment "${name}" is production, which no local run may reach`
    const allow = `allow reading in shiv.yaml, with the reason: environments: { ${name}: { allow_production: { read_only: true, why: … } } }`
    draft.faultAtValue(at, {
      code: 'SPEC_PRODUCTION_TARGET',
      message,
      hint: isGuess
        ? `if it is not, give the other environment its own domain: environments: { staging: { domain: HOST } }; or ${allow}`
        : `use another environment; or ${allow}`,
    })
    return false
  }
  const writes = [...(entry.read_only === false ? ['read_only'] : []), ...(entry.allow === undefined ? [] : ['allow'])]
  for (const field of writes) {
    draft.faultAtKey([...path, field], {
      code: 'SPEC_PRODUCTION_WRITE',
      message: `the environment "${name}" is production, and nothing is written there`,
      hint: `remove ${field}`,
    })
  }
  return writes.length === 0
}
