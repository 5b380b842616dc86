import { ShivError } from '../../core/errors.ts'
import type { KubeObject } from '../../plan/types.ts'
import type { Destination } from './target.ts'

/**
 * Objects that a namespace has kept of a release are only applied where that release could have put them: in its namespace, or outside of it where
 * today's Plan puts the same. Whoever may write into the namespace would else have the rights of whoever rolls back. Throws DEPLOY_RELEASE_FOREIGN.
 */
export function requireScope(objects: readonly KubeObject[], { plan, target }: Destination, revision: number): void {
  const ours = new Set(plan.objects.filter(({ metadata }) => metadata.namespace === undefined).map(nameOf))
  const foreign = objects.find((object) =>
    object.metadata.namespace === undefined ? !ours.has(nameOf(object)) : object.metadata.namespace !== target.namespace,
  )
  if (foreign === undefined) return
  const { service, environment } = target
  throw new ShivError(
    `What is kept of release ${revision} would change ${nameOf(foreign)} ${foreign.metadata.namespace === undefined ? 'of the cluster' : `in ${foreign.metadata.namespace}`}, which is not ${service}'s: somebody has changed it.`,
    {
      code: 'DEPLOY_RELEASE_FOREIGN',
      exit: 4,
      hint: `deploy its commit instead: shiv deploy ${service} --env ${environment} --history shows which`,
    },
  )
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`
}
