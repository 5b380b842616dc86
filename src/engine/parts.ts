import type { Log } from '../core/log.ts'
import type { Redactor } from '../core/redact.ts'
import type { Fact, Plan, RuntimeName, VerifiedFact } from '../plan/types.ts'
import type { Model } from '../spec/model.ts'
import type { ServicePlan } from '../plan/types.ts'
import type { DeployDrivers } from './deploy/ports.ts'
import type { DependencyDriver } from './dependency-ports.ts'
import type { FrontDoor, Runtime, Watcher } from './ports.ts'
import type { BuildContainers, HostCommand } from './reload/build-step.ts'
import type { SourceRules } from './reload/reloader-parts.ts'
import type { Worker } from './queue.ts'
import type { EngineEvent } from './results.ts'

/** What the engine is made of; each is brought in when it is first needed. */
export interface EngineParts {
  home: string
  redactor: Redactor
  log: Log
  runtime(name: RuntimeName): Promise<Runtime>
  frontDoor(): Promise<FrontDoor>
  /** What dependencies outside of a workspace need. */
  dependencies(): Promise<DependencyDriver>
  planner(): Promise<Planner>
  /** What deploying needs. */
  deployment(): Promise<DeployDrivers>
  /** What serves a folder best to tell of saves. */
  watcher(root: string): Promise<Watcher>
  /** Runs builds on this machine. */
  command(): Promise<HostCommand>
  /** Runs those whose program is not on it. */
  buildContainers(): Promise<BuildContainers>
}

/** From files to Plans and facts. */
export interface Planner {
  load(path: string, options: { environment: string }): Promise<Model>
  /** With `alone` only those services, without what they depend on. */
  build(model: Model, options: { services: string[]; alone?: boolean }): Plan
  /** What saves of a service's files do. */
  reloadRules(service: ServicePlan, plan: Plan): SourceRules
  localise(plan: Plan, runtime: RuntimeName, model: Model, options: { debug: boolean; reload: boolean }): Plan
  facts(production: Plan, local: Plan): Fact[]
  verify(facts: Fact[], readings: ({ actual: unknown } | undefined)[]): VerifiedFact[]
  score(facts: VerifiedFact[]): number
}

/** One caller's request while it is served. */
export interface Ask {
  by: Worker
  /** Aborted when the caller gives up or is gone. */
  signal: AbortSignal
  /** Resolves when the caller has taken it. */
  emit(event: EngineEvent): Promise<void>
}
