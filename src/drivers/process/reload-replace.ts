import { toErrorShape } from '../../core/errors.ts'
import type { ReloadOrder, ReplicaOutcome } from '../../engine/ports.ts'
import type { ActiveRun } from './active-run.ts'
import type { Supervisor } from './supervise.ts'

/**
 * Ends processes and starts each anew in its place, all at once; with `hold` the front door keeps the service's requests meanwhile.
 * Throws only when the order was given up.
 */
export async function replaceProcesses(
  run: ActiveRun,
  processes: Supervisor[],
  order: ReloadOrder,
  options: { hold: boolean; speak(): void },
): Promise<ReplicaOutcome[]> {
  if (processes.length === 0) return []
  const release = options.hold ? await order.hold() : () => {}
  try {
    order.signal.throwIfAborted()
    let left = processes.length
    const spawned = (): void => {
      left -= 1
      if (left === 0 && options.hold) order.passed('restarted')
    }
    const outcomes = await Promise.all(processes.map((before) => replaceOne(run, before, order, spawned)))
    order.signal.throwIfAborted()
    if (options.hold) order.passed('ready')
    return outcomes
  } finally {
    // The front door hears first that there is nobody, where there is nobody.
    options.speak()
    release()
  }
}

async function replaceOne(run: ActiveRun, before: Supervisor, order: ReloadOrder, spawned: () => void): Promise<ReplicaOutcome> {
  const { spec } = before
  await before.makeRoom()
  const next = run.take({ ...spec, hash: `reload ${order.sequence}` })
  try {
    await next.start(order.signal, { onSpawned: spawned, isPortOurs: true })
    return { id: spec.replica, state: 'ready' }
  } catch (error) {
    const { message, evidence } = toErrorShape(error)
    return { id: spec.replica, state: 'failed', cause: message, evidence }
  }
}
