import { formatAge } from '../../core/duration.ts'
import { ShivError } from '../../core/errors.ts'
import type { Readiness } from './ports.ts'
import { type Release, type Source, servingRelease } from './release.ts'
import type { Destination } from './target.ts'

/** What stands in the way of a deploy, each as the error that it is; the first that applies ends it. */
export function obstaclesOf(
  destination: Destination,
  found: { readiness: Readiness; source: Source | undefined; history: Release[] },
  params: { isConfirmed: boolean; allowsDirty?: boolean },
): ShivError[] {
  return [
    wrongEnvironment(destination, found.readiness),
    missingSecrets(destination, found.readiness),
    destination.isProduction && found.source?.isDirty && !params.allowsDirty ? dirty(destination) : undefined,
    destination.isProduction && !params.isConfirmed ? unconfirmed(destination, found) : undefined,
  ].filter((obstacle) => obstacle !== undefined)
}

function wrongEnvironment({ target }: Destination, { deployedAs }: Readiness): ShivError | undefined {
  if (deployedAs === undefined || deployedAs === target.environment) return undefined
  return new ShivError(
    `The namespace ${target.namespace} of context ${target.context} is ${deployedAs}, not ${target.environment}.`,
    {
      code: 'DEPLOY_OTHER_ENVIRONMENT',
      exit: 2,
      hint: `--env ${deployedAs} deploys there; when the environment was renamed: kubectl --context ${target.context} -n ${target.namespace} delete configmap shiv-environment`,
    },
  )
}

function missingSecrets({ target, plan }: Destination, { missing, namespace }: Readiness): ShivError | undefined {
  if (missing.length === 0) return undefined
  const kubectl = `kubectl --context ${target.context} -n ${target.namespace}`
  const commands = missing.map(({ secret, keys, isThere }) =>
    isThere
      ? `${kubectl} patch secret ${secret} -p '${JSON.stringify({ stringData: Object.fromEntries(keys.map((key) => [key, 'VALUE'])) })}'`
      : `${kubectl} create secret generic ${secret} ${keys.map((key) => `--from-literal=${key}=VALUE`).join(' ')}`,
  )
  if (namespace === 'missing') commands.unshift(`kubectl --context ${target.context} create namespace ${target.namespace}`)
  const names = missing.map(({ secret, keys, isThere }) => (isThere ? `${keys.join(', ')} of ${secret}` : secret))
  const isDatabase = plan.secrets.some(
    ({ name, source }) => source.kind === 'credentials' && missing.some(({ secret }) => secret === name),
  )
  const besides = isDatabase
    ? `\nor, for databases of its own in the namespace, in shiv.yaml: environments: { ${target.environment}: { databases: cluster } }`
    : ''
  return new ShivError(
    `What ${target.service} reads is not in the namespace ${target.namespace}: ${names.join('; ')}. Nothing was applied.`,
    {
      code: 'DEPLOY_SECRET_MISSING',
      exit: 2,
      hint: commands.join('\n') + besides,
    },
  )
}

function dirty({ target }: Destination): ShivError {
  return new ShivError(`The tree differs from its commit, so nobody could tell later what ${target.environment} runs.`, {
    code: 'DEPLOY_DIRTY',
    exit: 4,
    hint: 'git status --short shows what; commit it, or say that it is meant: --allow-dirty',
  })
}

function unconfirmed(
  { target }: Destination,
  { source, history }: { source: Source | undefined; history: Release[] },
): ShivError {
  const serving = servingRelease(history)
  const age = serving === undefined ? '' : formatAge(Date.now() - (serving.finishedAt ?? serving.startedAt))
  const now =
    serving === undefined
      ? 'nothing of it was deployed there yet'
      : `release ${serving.revision} serves${serving.source ? ` (${serving.source.commit.slice(0, 12)} ${serving.source.subject})` : ''}, by ${serving.by.user}, ${age} ago`
  const next = source === undefined ? 'a tree without a commit' : `${source.commit.slice(0, 12)} ${source.subject}`
  return new ShivError(
    `${target.environment} is production: ${target.service} to the namespace ${target.namespace} of context ${target.context}.`,
    {
      code: 'DEPLOY_NEEDS_YES',
      exit: 2,
      hint: 'say yes with --yes, or run it on a terminal, where it asks; --dry-run shows what would change',
      evidence: [`now: ${now}`, `next: ${next}`],
    },
  )
}
