import type { Log } from '../../core/log.ts'
import type { ServicePlan } from '../../plan/types.ts'
import type { Verdict } from '../../plan/reload-rules.ts'
import type { HeldFile, ReloadOrder, ReloadOutcome, Watcher } from '../ports.ts'
import type { BuildRule, ContainerInstallRule, InstallRule } from './rule-types.ts'
import type { Loop, LoopTrace } from './loop.ts'

/** The rules of one service, asked with paths relative to its folder. */
export interface SourceRules {
  isIgnored(path: string, isFolder: boolean): boolean
  verdict(path: string): Verdict
}

/** What a service's reloader needs of the run around it. */
export interface ReloaderParts {
  log: Log
  watcher: Watcher
  rules: SourceRules
  /** Runs what a build rule says; throws RELOAD_BUILD_FAILED. Undefined where the runtime prepares by itself. */
  build(service: ServicePlan, rule: BuildRule, signal: AbortSignal): Promise<void>
  /** Runs what an install rule says in the service's folder; throws RELOAD_INSTALL_FAILED. Only where the working copy itself runs. */
  install(service: ServicePlan, rule: InstallRule, signal: AbortSignal): Promise<void>
  /** Does an install rule beside the running containers, of these files of the service; throws RELOAD_INSTALL_FAILED, and then what was made before stays. */
  installBeside(service: ServicePlan, rule: ContainerInstallRule, paths: string[], signal: AbortSignal): Promise<void>
  /** The folder of this machine that holds what it made. */
  installedAt(service: ServicePlan, rule: ContainerInstallRule): string
  /** What a folder of a service's containers holds, by absolute path. Throws RELOAD_INSTALL_FAILED when no replica can be asked. */
  contents(service: ServicePlan, folder: string, signal: AbortSignal): Promise<ReadonlyMap<string, HeldFile>>
  /** Absolute path of a build rule's artefact. */
  artefact(service: ServicePlan, rule: BuildRule): string
  /** The runtime runs the working copy: nothing is copied, and its own preparation stands for build, install and image. */
  prepare: ((service: ServicePlan, signal: AbortSignal, changed?: ReadonlySet<string>) => Promise<void>) | undefined
  apply(order: Omit<ReloadOrder, 'hold'>): Promise<ReloadOutcome>
  /** Asks the service through the front door; resolves when the answer came. */
  ask(service: string, signal: AbortSignal): Promise<void>
  /** The whole run is reconciled: another image, or another Plan. Not awaited: it pauses this reloader. */
  reconcile(action: 'image' | 'plan', begun: Begun): void
  /** What is ignored has changed: this reloader is to be replaced by one that knows. Not awaited. */
  renew(): void
  nextLoop(): number
  /** Greater than `last` and every one before, over daemons, whatever the clock says. */
  nextSequence(last: number): number
  tell(loop: Loop): void
  /** Something of the service was saved, and what it asked for is done. */
  saved(): void
  /** Remembers what must survive the daemon. */
  keep(state: KeptState): Promise<void>
  /** The first pause before what did not reach every replica is tried again; two seconds by default. */
  retryMs?: number
}

/** A loop that goes on as the making of the whole run. */
export interface Begun {
  trace: LoopTrace
  files: string[]
  service: string
  remarks: string[]
}

/** Stamps by path. */
export type Survey = Record<string, string>

/** What the next daemon must know to find out what was edited while none watched. */
export interface KeptState {
  version: 1
  /** The tree that the image was made of. */
  base: Survey
  /** Paths that replicas have had from the working copy since then. */
  taken: string[]
  /** Of the last order. */
  sequence: number
  /** Indices of build rules whose artefact is in the overlay. */
  built: number[]
  /** By index of an install rule, the paths of its folder that are in the overlay, relative to that folder, and what it was made of. */
  installed?: { rule: number; inputs: string; paths: string[] }[]
  /** Of the last order that every replica took. */
  mark: string
}
