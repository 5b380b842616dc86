import type { RunStatus, StatusResult } from '../../wire/messages.ts'

/** A URL with its password replaced by `***`. */
export function maskPassword(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^:@/?#]*):[^/?#]*@/i, '$1:***@')
}

/** A run whose database URLs may be shown to anybody. */
export function maskRun(run: RunStatus): RunStatus {
  return { ...run, databases: run.databases.map((database) => ({ ...database, url: maskPassword(database.url) })) }
}

export function maskStatus<T extends Pick<StatusResult, 'runs'>>(status: T): T {
  return { ...status, runs: status.runs.map(maskRun) }
}
