import type { Ask } from '../parts.ts'
import type { LogQuery } from '../ports.ts'
import type { LogsResult } from '../results.ts'
import type { Workshop } from '../workshop.ts'
import { maskChanges } from './mask.ts'
import { mergeByTime } from './merge.ts'
import { servingRelease } from './release.ts'
import type { DeployHistoryResult, DeployParams, DeployStatusResult } from './results.ts'
import { besideStage } from './scene.ts'
import { withoutMigrations } from './stages.ts'

/** What serves, who deploys, how the pods are, and what was changed behind the release's back. */
export function deployStatus(shop: Workshop, params: DeployParams, ask: Ask): Promise<DeployStatusResult> {
  return besideStage(shop, params, ask, async ({ cluster, destination }) => {
    const { environment, context, namespace, service } = destination.target
    const [history, deploying, pods] = await Promise.all([cluster.history(), cluster.lockHolder(), cluster.pods()])
    const serving = servingRelease(history)
    const last = history.at(-1)
    const objects = serving && (await cluster.objectsOf(serving.revision))
    // Somebody else's change is drift, not a conflict.
    const drift = objects === undefined ? [] : (await cluster.compare(withoutMigrations(objects), { takesOver: true })).changes
    return {
      version: 1,
      service,
      environment,
      context,
      namespace,
      server: cluster.server,
      ...(serving !== undefined && { serving }),
      ...(last !== undefined && last.revision !== serving?.revision && { last }),
      ...(deploying !== undefined && { deploying }),
      pods,
      drift: maskChanges(drift),
    }
  })
}

export function deployHistory(shop: Workshop, params: DeployParams, ask: Ask): Promise<DeployHistoryResult> {
  return besideStage(shop, params, ask, async ({ cluster, destination }) => {
    const { environment, namespace, service } = destination.target
    return { version: 1, service, environment, namespace, releases: (await cluster.history()).toReversed() }
  })
}

/** Log lines of the service's pods in an environment, merged by time; with `follow` until the caller leaves. */
export function deployedLogs(shop: Workshop, params: DeployParams & Omit<LogQuery, 'sources'>, ask: Ask): Promise<LogsResult> {
  return besideStage(shop, params, ask, async ({ cluster, destination }) => {
    const { follow, tail, since } = params
    const query = {
      sources: [destination.service],
      follow,
      ...(tail !== undefined && { tail }),
      ...(since !== undefined && { since }),
    }
    let lines = 0
    for await (const line of mergeByTime(cluster.logs(query, ask.signal), follow ? 200 : 0)) {
      if (ask.signal.aborted) break
      await ask.emit({ kind: 'log', line: shop.parts.redactor.deep(line) })
      lines += 1
    }
    return { version: 1, lines }
  })
}
