import { ShivError } from '../../core/errors.ts'
import type { Verdict } from '../../plan/reload-rules.ts'
import type { ReloadRestart } from '../../spec/reload-policy.ts'
import type { ReloadOutcome } from '../ports.ts'
import type { LoopAction } from './loop.ts'
import type { BuildRule, InstallRule } from './rule-types.ts'

export interface Judged {
  path: string
  verdict: Verdict
}

/** What the saves of one loop ask for together. */
export interface Work {
  action: LoopAction
  builds: BuildRule[]
  installs: InstallRule[]
  restart: ReloadRestart
  remarks: string[]
}

/**
 * The strongest of what is asked for: another Plan above another image, above an install, a build, a copy. `restart` is the policy's own.
 */
export function workOf(verdicts: Judged[], restart: ReloadRestart): Work {
  const of = (action: Verdict['action']) => verdicts.filter(({ verdict }) => verdict.action === action)
  const remarks = [
    ...of('unmatched').map(({ path, verdict }) => `${path}: ${verdict.why}`),
    ...of('image')
      .filter(({ verdict }) => verdict.decidedBy?.do === 'install')
      .map(({ path, verdict }) => `${path}: ${verdict.why}`),
  ]
  const builds = [...new Set(of('build').map(({ verdict }) => verdict.decidedBy as BuildRule))]
  const installs = [...new Set(of('install').map(({ verdict }) => verdict.decidedBy as InstallRule))]
  const action: LoopAction =
    (of('plan').length > 0 && 'plan') ||
    (of('image').length > 0 && 'image') ||
    (installs.length > 0 && 'install') ||
    (builds.length > 0 && 'build') ||
    (of('sync').length > 0 && 'sync') ||
    'none'
  const wanted = verdicts.flatMap(({ verdict }) => verdict.restart ?? [])
  return { action, builds, installs, restart: strongest(wanted) ?? restart, remarks }
}

/** One restart serves all files of a loop: the process's own above a signal, a signal above none. */
function strongest(wanted: ReloadRestart[]): ReloadRestart | undefined {
  if (wanted.includes('process')) return 'process'
  return wanted.find((restart) => restart !== 'none') ?? wanted[0]
}

/** What only the whole run can do. Where the working copy itself runs there is no image. */
export function madeAnew(action: Work['action'], isPrepared: boolean): 'plan' | 'image' | undefined {
  if (action === 'plan') return action
  return action === 'image' && !isPrepared ? action : undefined
}

/** Whether a save changes what replicas hold, without another image or Plan. */
export function goesInPlace({ action }: Verdict): boolean {
  return action === 'sync' || action === 'build' || action === 'install'
}

/** Where the saved file itself goes in the container; undefined where only what is made of it goes there. */
export function ownTarget({ action, targets, decidedBy }: Verdict): string | undefined {
  const goes = action === 'sync' || action === 'install' || (decidedBy?.do === 'build' && decidedBy.to !== undefined)
  return goes ? targets[0] : undefined
}

/** An edit that a replica does not run with. */
export function notReady(service: string, replica: ReloadOutcome['replicas'][number]): ShivError {
  const { id, cause, evidence, isServingOld } = replica
  const goesOn = isServingOld ? ' The version before goes on serving.' : ''
  return new ShivError(`${service} does not run with this edit: ${cause ?? `${id} did not become ready`}.${goesOn}`, {
    code: 'RELOAD_NOT_READY',
    hint: `the next save is tried at once; all that it wrote: shiv logs ${service}`,
    ...(evidence && { evidence }),
  })
}
