import type { Model } from '../spec/model.ts'

export type Labels = Record<string, string>

/** What marks an object as ours. A run is a workspace: its objects are found, and pruned, by `shiv.dev/run`. */
export function workspaceLabels(model: Model): Labels {
  return {
    'app.kubernetes.io/part-of': model.workspace.name,
    'app.kubernetes.io/managed-by': 'shiv',
    'shiv.dev/run': model.workspace.name,
  }
}

/** What a selector matches: the service and which of its parts (`server`, `migrate`, `worker-NAME`, `cron-NAME`). */
export function partLabels(service: string, part: string): Labels {
  return { 'app.kubernetes.io/name': service, 'app.kubernetes.io/component': part }
}

/** What a selector of a database's pods matches. */
export function databaseLabels(database: string): Labels {
  return { 'app.kubernetes.io/name': database, 'app.kubernetes.io/component': 'database', 'shiv.dev/database': database }
}
