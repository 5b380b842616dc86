import { hostname, userInfo } from 'node:os'
import { pipelineOf } from '../../core/pipeline.ts'
import type { Author } from './release.ts'

/** Who deploys: of a pipeline the person who caused it, else the user of this machine. */
export function authorOf(environment: NodeJS.ProcessEnv): Author {
  const host = hostname()
  const pipeline = pipelineOf(environment)
  const user = pipeline?.user || environment['USER'] || environment['LOGNAME'] || localUser()
  if (pipeline === undefined) return { user, host }
  return { user, host, pipeline: { name: pipeline.name, ...(pipeline.url !== undefined && { url: pipeline.url }) } }
}

function localUser(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown') // a container's user need not have a name
  }
}
