import type { Rollout } from '../../plan/types.ts'

/**
 * One attempt to change what an environment runs, as its cluster remembers it. Times are epoch milliseconds of the machine that deployed, durations
 * and offsets milliseconds of its monotonic clock, nothing rounded. Holds no secret.
 */
export interface Release {
  version: 1
  /** Counts from 1 for each service and namespace; a number is never used twice. */
  revision: number
  kind: 'deploy' | 'rollback'
  service: string
  workspace: string
  environment: string
  context: string
  namespace: string
  strategy: Rollout['strategy']
  outcome: Outcome
  image: ReleaseImage
  /** Absent where the tree is in no git repository; of a rollback, what the revision that it brings back was made of. */
  source?: Source
  /** What about the source cannot be known, in words. */
  unknown: string[]
  by: Author
  startedAt: number
  /** Absent while it runs, and for ever where its deployer died. */
  finishedAt?: number
  spans: Span[]
  health?: HealthProof
  error?: { code: string; message: string }
  /** The revision that serves again since this one failed. */
  rolledBackTo?: number
  /** Of a rollback: the revision that it brings back. */
  restores?: number
  /** `Deployment/orders changed`, one for each object. */
  changes: string[]
}

/**
 * `running` until the end is known. `failed`: nothing took its place (there was nothing earlier, or that failed as well). `rolled-back`: what served
 * before serves again. `interrupted`: its caller gave it up. `abandoned`: its deployer died; found by the next one.
 */
export type Outcome = 'running' | 'succeeded' | 'failed' | 'rolled-back' | 'interrupted' | 'abandoned'

export interface ReleaseImage {
  /** By digest, as the pods name it. */
  reference: string
  digest: string
  /** Content hash of what was built; absent for an image that service.yaml names. */
  tag?: string
  /** Whether this release built it, and whether it sent it to the registry; else it was there. */
  isBuilt: boolean
  isPushed: boolean
}

export interface Source {
  commit: string
  /** When it was committed, by its committer's clock. */
  commitTime: number
  subject: string
  branch?: string
  /** Files of the workspace differ from the commit. */
  isDirty: boolean
  /** Commits since the last release that succeeded, newest first, this one among them; at most 50. */
  since?: { commit: string; time: number }[]
}

export interface Author {
  user: string
  host: string
  /** The pipeline that it runs in, `GitHub Actions`, and where its log is. */
  pipeline?: { name: string; url?: string }
}

/** A timed part of a release; `parent` names the span that it lies in. */
export interface Span {
  name: string
  parent?: string
  startMs: number
  durationMs: number
}

/** How a release proved that it answers. */
export interface HealthProof {
  /** `route`: the public address. `cluster`: the Service, through the API server. `rollout`: it listens nowhere, its pods' readiness is all there is. */
  through: 'route' | 'cluster' | 'rollout'
  url?: string
  answers: number
  misses: number
}

/** The release that serves: the newest that succeeded, or what a failed one went back to. */
export function servingRelease(history: Release[]): Release | undefined {
  for (const release of history.toReversed()) {
    if (release.outcome === 'succeeded') return release
    if (release.outcome === 'rolled-back') return history.find(({ revision }) => revision === release.rolledBackTo)
  }
  return undefined
}

/** The last attempt left the world as it says; after another one nobody knows which release the pods are of. */
export function isSettled(history: Release[]): boolean {
  const last = history.at(-1)?.outcome
  return last === 'succeeded' || last === 'rolled-back'
}

/**
 * What a rollback without a number brings back: the newest that succeeded before the serving one and is another; after an attempt that ended half way,
 * the newest that succeeded.
 */
export function releaseBefore(history: Release[]): Release | undefined {
  const serving = servingRelease(history)
  if (serving === undefined || !isSettled(history)) return serving
  const same = serving.restores ?? serving.revision
  return history
    .toReversed()
    .find(
      ({ outcome, revision, restores }) =>
        outcome === 'succeeded' && revision < serving.revision && (restores ?? revision) !== same,
    )
}
