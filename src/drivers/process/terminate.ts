import { readFileSync, readdirSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import { isAlive, type ProcessIdentity } from '../../core/process-identity.ts'

const KILL_PATIENCE_MS = 5_000

export interface Ending {
  signal: NodeJS.Signals
  graceMs: number
  /** Resolves when the process ends, for one that is our own child: its end is then seen at once. */
  exited?: Promise<unknown>
  /** Whether it has done its work and only waits for somebody; its grace is then over. */
  isIdle?(): boolean
}

/**
 * Ends a process and its group: the polite signal, a grace, then KILL; returns when nothing of the group lives.
 * The proof is the pid with its start time and the list of the group's members, never that a signal was sent.
 */
export async function terminate(identity: ProcessIdentity, options: Ending): Promise<void> {
  if (!isAlive(identity)) return
  // A child that is not waited for yet is still of its group, which then takes a look at every process of the machine.
  let isReaped = options.exited === undefined
  const reaped = options.exited?.then(() => (isReaped = true))
  const isEnded = () => isReaped && isGone(identity)
  signalAll(identity.pid, options.signal)
  const isOver = () => isEnded() || options.isIdle?.() === true
  if ((await waitUntil(isOver, options.graceMs, reaped)) && isEnded()) return
  signalAll(identity.pid, 'SIGKILL')
  if (await waitUntil(isEnded, KILL_PATIENCE_MS, reaped)) return
  throw new ShivError(`Process ${identity.pid} does not end, not even by SIGKILL.`, {
    code: 'PROCESS_UNKILLABLE',
    hint: `it waits for the kernel, often for a disk or a network file system: ps -o pid,stat,wchan -p ${identity.pid}`,
  })
}

/** The group that the process leads, or the process alone when it leads none. */
function signalAll(pid: number, signal: NodeJS.Signals): void {
  if (!sendSignal(-pid, signal)) sendSignal(pid, signal)
}

/** Kills what is left of a group whose leader has just ended; the group's number is not given away while a member lives. */
export function killGroup(leader: number): void {
  sendSignal(-leader, 'SIGKILL')
}

function isGone(identity: ProcessIdentity): boolean {
  return !isAlive(identity) && groupMembers(identity.pid).length === 0
}

/** Living members of a process group; zombies are not alive. */
export function groupMembers(group: number): number[] {
  try {
    process.kill(-group, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return []
  }
  if (process.platform === 'linux') return linuxGroup(group)
  const lines = execFileSync('ps', ['-axo', 'pid=,pgid=,stat='], { encoding: 'utf8' }).trim().split('\n')
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, pgid, stat]) => Number(pgid) === group && !stat?.startsWith('Z'))
    .map(([pid]) => Number(pid))
}

function linuxGroup(group: number): number[] {
  const members: number[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(pgrp) === group && state !== 'Z' && state !== 'X') members.push(Number(name))
    } catch {
      // It ended between the listing and the look.
    }
  }
  return members
}

/** Sends a signal to a process, or to a group by its negative number; false when nobody is there any more. */
export function sendSignal(target: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(target, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Looks at a condition every few milliseconds, ever more slowly, and when `hint` resolves; false when `patienceMs` ran out. */
async function waitUntil(condition: () => boolean, patienceMs: number, hint?: Promise<unknown>): Promise<boolean> {
  const deadline = performance.now() + patienceMs
  let wake = hint
  for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
    if (condition()) return true
    const left = deadline - performance.now()
    if (left <= 0) return false
    const paused = sleep(Math.min(pause, left))
    await (wake === undefined ? paused : Promise.race([paused, wake.then(() => (wake = undefined))]))
  }
}
