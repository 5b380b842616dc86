/** Where a command runs, when that is a CI. */
export interface Pipeline {
  name: 'GitHub Actions' | 'GitLab' | 'Buildkite' | 'Jenkins'
  /** Where its log is. */
  url?: string
  /** Who caused it. */
  user?: string
  /** The branch or tag. */
  ref?: string
  /** The commit that it is of. */
  commit?: string
  /** Number of the pull or merge request. */
  change?: string
  /** The server's address, whose clock told the times. */
  server?: string
  /** Epoch milliseconds, as far as the CI tells. */
  times: { queued?: number; started?: number; checkedOut?: number }
}

/**
 * What the environment says of the CI that it is of; undefined outside of the four that are known. Their times come from their own variables where there
 * are any (GitLab), and from `SHIV_CI_QUEUED_AT`, `SHIV_CI_STARTED_AT` and `SHIV_CI_CHECKED_OUT_AT`, which a step of the pipeline may set: epoch
 * milliseconds, or ISO 8601.
 */
export function pipelineOf(environment: NodeJS.ProcessEnv): Pipeline | undefined {
  const at = (name: string): string | undefined => environment[name] || undefined
  const known = knownPipeline(at)
  if (known === undefined) return undefined
  const { times, ...facts } = known
  const told = {
    queued: instantOf(at('SHIV_CI_QUEUED_AT')) ?? times?.queued,
    started: instantOf(at('SHIV_CI_STARTED_AT')) ?? times?.started,
    checkedOut: instantOf(at('SHIV_CI_CHECKED_OUT_AT')),
  }
  return { ...present(facts), times: present(told) } as Pipeline
}

type Facts = { [key in keyof Omit<Pipeline, 'times' | 'name'>]: string | undefined } & {
  name: Pipeline['name']
  times?: Record<'queued' | 'started', number | undefined>
}

function knownPipeline(at: (name: string) => string | undefined): Facts | undefined {
  if (at('GITHUB_ACTIONS')) {
    const [server, repository, run] = [at('GITHUB_SERVER_URL'), at('GITHUB_REPOSITORY'), at('GITHUB_RUN_ID')]
    return {
      name: 'GitHub Actions',
      url: server && repository && run && `${server}/${repository}/actions/runs/${run}`,
      user: at('GITHUB_ACTOR'),
      ref: at('GITHUB_HEAD_REF') ?? at('GITHUB_REF_NAME'),
      commit: at('GITHUB_SHA'),
      change: /^refs\/pull\/(\d+)\//.exec(at('GITHUB_REF') ?? '')?.[1],
      server,
    }
  }
  if (at('GITLAB_CI')) {
    return {
      name: 'GitLab',
      url: at('CI_JOB_URL'),
      user: at('GITLAB_USER_LOGIN'),
      ref: at('CI_COMMIT_REF_NAME'),
      commit: at('CI_COMMIT_SHA'),
      change: at('CI_MERGE_REQUEST_IID'),
      server: at('CI_SERVER_URL'),
      times: { queued: instantOf(at('CI_PIPELINE_CREATED_AT')), started: instantOf(at('CI_JOB_STARTED_AT')) },
    }
  }
  if (at('BUILDKITE')) {
    return {
      name: 'Buildkite',
      url: at('BUILDKITE_BUILD_URL'),
      user: at('BUILDKITE_BUILD_CREATOR'),
      ref: at('BUILDKITE_BRANCH'),
      commit: commitOf(at('BUILDKITE_COMMIT')),
      change: numberOf(at('BUILDKITE_PULL_REQUEST')),
      server: undefined,
    }
  }
  if (at('JENKINS_URL')) {
    return {
      name: 'Jenkins',
      url: at('BUILD_URL'),
      user: at('BUILD_USER_ID'),
      ref: at('CHANGE_BRANCH') ?? at('BRANCH_NAME') ?? at('GIT_BRANCH'),
      commit: at('GIT_COMMIT'),
      change: at('CHANGE_ID'),
      server: at('JENKINS_URL'),
    }
  }
  return undefined
}

/** A build that somebody began by hand may have `HEAD` there. */
function commitOf(text: string | undefined): string | undefined {
  return text !== undefined && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(text) ? text : undefined
}

/** `false` where there is no pull request. */
function numberOf(text: string | undefined): string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? text : undefined
}

/** Epoch milliseconds, or a date as ISO 8601 writes it; undefined for anything else. */
export function instantOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{13}$/.test(text)) return Number(text)
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}

function present<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>
}
