import { hostname, userInfo } from 'node:os'
import type { Author } from './release.ts'

/** Who deploys: of a pipeline the person who caused it, else the user of this machine. */
export function authorOf(environment: NodeJS.ProcessEnv): Author {
  const host = hostname()
  const at = (name: string): string | undefined => environment[name] || undefined
  const pipelines: [string, string | undefined, string | undefined, string | undefined][] = [
    ['GitHub Actions', at('GITHUB_ACTIONS'), at('GITHUB_ACTOR'), githubUrl(environment)],
    ['GitLab', at('GITLAB_CI'), at('GITLAB_USER_LOGIN'), at('CI_JOB_URL')],
    ['Buildkite', at('BUILDKITE'), at('BUILDKITE_BUILD_CREATOR'), at('BUILDKITE_BUILD_URL')],
    ['Jenkins', at('JENKINS_URL'), at('BUILD_USER_ID'), at('BUILD_URL')],
  ]
  const found = pipelines.find(([, mark]) => mark !== undefined)
  const user = found?.[2] ?? at('USER') ?? at('LOGNAME') ?? localUser()
  if (found === undefined) return { user, host }
  return { user, host, pipeline: { name: found[0], ...(found[3] !== undefined && { url: found[3] }) } }
}

function githubUrl(environment: NodeJS.ProcessEnv): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = environment
  return server && repository && run ? `${server}/${repository}/actions/runs/${run}` : undefined
}

function localUser(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown') // a container's user need not have a name
  }
}
