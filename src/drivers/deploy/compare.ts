import { ShivError } from '../../core/errors.ts'
import type { Comparison, ObjectChange } from '../../engine/deploy/ports.ts'
import { diffValues } from '../../plan/diff.ts'
import type { KubeObject } from '../../plan/types.ts'
import { KubeApiError, type KubeClient, isMissing, orMissing } from '../kubernetes/client.ts'
import { LABEL, type Live } from '../kubernetes/objects.ts'
import { nameOf, pathOf } from '../kubernetes/mapping.ts'
import { hasFailed, isImmutable, patchPath, requireKind } from './objects.ts'
import { forDiff, overlaid } from './readable.ts'

export interface Compared extends Comparison {
  /** What is live of the objects, by `Kind/name`. */
  live: Map<string, Live>
}

/**
 * What applying `objects` would change, object by object, as the API server's dry run says; where it may not be asked, as the live objects let expect.
 * Every conflict of all objects comes in one error.
 */
export async function compareObjects(
  client: KubeClient,
  objects: KubeObject[],
  options: { run: string; takesOver: boolean; hasNamespace: boolean },
): Promise<Compared> {
  const live = new Map<string, Live>()
  const conflicts: string[] = []
  let by: Comparison['by'] = 'server'
  const one = async (object: KubeObject): Promise<ObjectChange | undefined> => {
    const name = nameOf(object)
    const kind = await requireKind(client, object)
    const { namespace } = object.metadata
    const added: ObjectChange = { name, action: 'add', fields: [] }
    if (!options.hasNamespace && kind.namespaced) return added
    const found = await orMissing(client.call<Live>('GET', pathOf(kind, namespace, object.metadata.name)))
    if (found !== undefined) {
      refuseForeign(object, found, options.run)
      live.set(name, found)
    }
    try {
      const after = await client.call<Live>('PATCH', `${await patchPath(client, object, options.takesOver)}&dryRun=All`, {
        body: object,
        contentType: 'application/apply-patch+yaml',
      })
      if (found === undefined) return added
      // A migration that failed runs again.
      if (object.kind === 'Job' && hasFailed(found)) return { name, action: 'replace', fields: [] }
      return changed(name, 'change', found, after)
    } catch (error) {
      if (!(error instanceof KubeApiError)) throw error
      if (error.status === 409) {
        conflicts.push(...error.causes.map(({ field, message }) => `${name} ${field ?? ''}: ${message ?? ''}`))
        return undefined
      }
      if (error.status === 403 && error.reason === 'Forbidden' && !/exceeded quota|admission/.test(error.message)) {
        by = 'estimate'
        return found === undefined ? added : changed(name, 'change', found, overlaid(found, object))
      }
      if (found !== undefined && isImmutable(error)) {
        if (object.kind === 'Job') return changed(name, 'replace', found, overlaid(found, object))
        throw immutable(object, error)
      }
      if (isMissing(error)) return added
      throw refused(object, error)
    }
  }
  const changes = (await Promise.all(objects.map(one))).filter((change) => change !== undefined)
  if (conflicts.length > 0) throw conflict(conflicts)
  return { changes, by, live }
}

function changed(name: string, action: 'change' | 'replace', before: Live, after: KubeObject): ObjectChange | undefined {
  const fields = diffValues(forDiff(before), forDiff(after)).map(({ path, from, to }) => ({
    path,
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  }))
  return fields.length === 0 && action === 'change' ? undefined : { name, action, fields }
}

/** Two workspaces with a service of one name must not overwrite each other. */
function refuseForeign(object: KubeObject, found: Live, run: string): void {
  const owner = found.metadata.labels?.[LABEL.run]
  if (owner === undefined || owner === run) return
  throw new ShivError(
    `${nameOf(object)} in ${object.metadata.namespace} belongs to the shiv workspace "${owner}"; it is not touched.`,
    {
      code: 'KUBE_OBJECT_FOREIGN',
      exit: 2,
      hint: 'give this workspace a namespace of its own in shiv.yaml: environments: { NAME: { namespace: … } }; or rename the service',
    },
  )
}

function conflict(lines: string[]): ShivError {
  const holders = [...new Set(lines.flatMap((line) => /conflict with "([^"]+)"/.exec(line)?.[1] ?? []))]
  const who = holders.join(', ') || 'somebody else'
  return new ShivError(`Fields that this deploy sets were changed by ${who} in the cluster: nothing was applied.`, {
    code: 'DEPLOY_CONFLICT',
    hint: 'write the value into service.yaml, or as a patch; to take the fields back: the same command with --force-conflicts',
    evidence: lines,
  })
}

function immutable(object: KubeObject, error: KubeApiError): ShivError {
  return new ShivError(`${nameOf(object)} would have to be deleted and made anew: ${error.message}`, {
    code: 'DEPLOY_IMMUTABLE',
    hint: `that is an outage, so deploy does not do it; when you want it: kubectl -n ${object.metadata.namespace} delete ${object.kind.toLowerCase()} ${object.metadata.name}, then deploy`,
    evidence: error.causes.map((cause) => [cause.field, cause.message].filter(Boolean).join(': ')),
    cause: error,
  })
}

/** What the cluster says no to, whoever asked. */
export function refused(object: KubeObject, error: unknown): unknown {
  if (!(error instanceof KubeApiError)) return error
  if (error.status === 403 && error.reason === 'Forbidden') {
    const verb = `kubectl auth can-i patch ${object.kind.toLowerCase()} --namespace ${object.metadata.namespace ?? 'default'}`
    return new ShivError(`You may not change ${nameOf(object)}: ${error.message}`, {
      code: 'KUBE_FORBIDDEN',
      exit: 3,
      hint: verb,
      cause: error,
    })
  }
  return new ShivError(`The cluster refuses ${nameOf(object)}: ${error.message}`, {
    code: 'KUBE_APPLY_REFUSED',
    hint: 'shiv plan -o manifests with the same --env shows the object; a patch in service.yaml is the usual cause.',
    evidence: error.causes.map((cause) => [cause.field, cause.message].filter(Boolean).join(': ')),
    cause: error,
  })
}
