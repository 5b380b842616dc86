import type { Target } from '../results.ts'
import type { Comparison, ObjectChange, PodState } from './ports.ts'
import type { Release } from './release.ts'

export interface DeployParams extends Target {
  env: string
  /** The CLI's environment: PATH, KUBECONFIG, docker's configuration. */
  environment: NodeJS.ProcessEnv
  /** Somebody said yes to production. */
  isConfirmed: boolean
  /** `false`: end at once where somebody else deploys. */
  waits?: boolean
  /** Take fields back that others set in the cluster. */
  takesOver?: boolean
  /** Deploy to production from a tree that differs from its commit. */
  allowsDirty?: boolean
}

export interface RollbackParams extends DeployParams {
  /** The revision to bring back; the one before where it is absent. */
  revision?: number
}

/** Ends `deploy` and `rollback`. */
export interface DeployResult {
  version: 1
  service: string
  environment: string
  context: string
  namespace: string
  /** False: what is asked for is what serves, and nothing was written. Then `release` is the one that serves. */
  isChanged: boolean
  release: Release
  changes: ObjectChange[]
  durationMs: number
}

/** Ends `deployPlan`: what a deploy would do; nothing is built, sent or applied. */
export interface DryRunResult {
  version: 1
  service: string
  environment: string
  context: string
  namespace: string
  server: string
  image: { reference: string; wouldBuild: boolean; wouldPush: boolean }
  changes: ObjectChange[]
  by: Comparison['by']
  serving?: Release
  /** In words: what would stop it. */
  obstacles: string[]
}

/** Ends `deployStatus`. */
export interface DeployStatusResult {
  version: 1
  service: string
  environment: string
  context: string
  namespace: string
  server: string
  serving?: Release
  /** The newest attempt, where it is another. */
  last?: Release
  /** Who deploys now. */
  deploying?: string
  pods: PodState[]
  /** What differs in the cluster from what the serving release applied. */
  drift: ObjectChange[]
}

/** Ends `deployHistory`; newest first. */
export interface DeployHistoryResult {
  version: 1
  service: string
  environment: string
  namespace: string
  releases: Release[]
}
