import { toErrorShape } from '../../core/errors.ts'
import type { ReloadOrder, ReplicaOutcome, RunContext } from '../../engine/ports.ts'
import type { ActiveRun } from './active-run.ts'
import { createPortRegistry } from './port-registry.ts'
import type { ProcessSpec } from './process-spec.ts'
import { replicaOf, seatsOf } from './seats.ts'
import { serviceSpecs } from './service-specs.ts'
import type { Supervisor } from './supervise.ts'

interface Work {
  order: ReloadOrder
  context: RunContext
  home: string
  speak(): void
}

/** Whether a second set of processes can live beside the one that serves: nothing that both would want, and all of the first answer. */
export function canOverlap(run: ActiveRun, { service }: ReloadOrder, replicas: Supervisor[]): boolean {
  return (
    service.reload?.overlap === true &&
    !run.reloads.cannotOverlap.has(service.name) &&
    service.volumes.length === 0 &&
    service.ports.length > 0 &&
    service.ports.every(({ protocol }) => protocol === 'http') &&
    replicas.length > 0 &&
    replicas.every(
      ({ state, spec }) => state === 'ready' && (spec.debug === undefined || spec.debug.protocol === 'node-inspector'),
    )
  )
}

/**
 * Starts the new set on ports of its own while the old one serves; when all of it is ready it takes over in one step, and the old one is
 * ended when its requests are answered. When not, the old one goes on. Undefined: the two cannot live side by side after all.
 * Throws only when the order was given up.
 */
export async function overlapReplicas(run: ActiveRun, old: Supervisor[], work: Work): Promise<ReplicaOutcome[] | undefined> {
  const { order } = work
  const specs = await successorSpecs(run, old, work)
  if (specs === undefined) return undefined
  let left = specs.length
  const spawned = (): void => {
    left -= 1
    if (left === 0) order.passed('restarted')
  }
  const successors = specs.map((spec) => run.takeAside(spec))
  const starts = await Promise.allSettled(
    successors.map((next) => next.start(order.signal, { onSpawned: spawned, isPortOurs: true })),
  )
  const failures = starts.map((start) => (start.status === 'rejected' ? toErrorShape(start.reason) : undefined))
  if (order.signal.aborted || failures.some((failure) => failure !== undefined)) {
    await Promise.all(successors.map((next) => run.dropAside(next)))
    order.signal.throwIfAborted()
    if (specs.some((spec, index) => wantsSamePort(spec, failures[index]?.evidence))) {
      run.reloads.cannotOverlap.add(order.service.name)
      return undefined
    }
    // Whoever took a port meanwhile does not take the next successor's.
    for (const { id } of specs) run.seatPorts.delete(id)
    return old.map(({ spec, state }, index) => ({
      id: spec.replica,
      state: 'failed',
      cause: failures[index]?.message ?? 'it waits for the others of the new version, which did not become ready',
      ...(failures[index]?.evidence && { evidence: failures[index].evidence }),
      isServingOld: state === 'ready',
    }))
  }
  takeOver(run, successors, work)
  return successors.map(({ spec }) => ({ id: spec.replica, state: 'ready' }))
}

function takeOver(run: ActiveRun, successors: Supervisor[], { order, speak }: Work): void {
  const { name } = order.service
  const others = run.ofSource(name).filter(({ spec }) => spec.unit !== name)
  run.setCharge(name, { sequence: order.sequence, mark: order.mark }, [...successors, ...others])
  const leaving = run.succeed(successors)
  run.addresses.services.set(
    name,
    successors.map(({ spec }) => spec.ports),
  )
  speak()
  order.passed('ready')
  run.reloads.leave(letGo(run, successors, leaving, order))
}

/** The old set ends when its requests have been answered; only then is its debug port free. */
async function letGo(run: ActiveRun, successors: Supervisor[], leaving: Supervisor[], order: ReloadOrder): Promise<void> {
  try {
    if (order.drain === undefined) (await order.hold())()
    else await order.drain()
    await Promise.all(leaving.map((old) => run.dropAside(old)))
  } catch (error) {
    const { code, message, hint } = toErrorShape(error)
    run.context.emit({ kind: 'warning', code, message, ...(hint !== undefined && { hint }) })
  }
  for (const next of successors) run.openDebugger(next)
}

/** What the new set is started with; undefined when a port or a debugger could not be shared. */
async function successorSpecs(run: ActiveRun, old: Supervisor[], work: Work): Promise<ProcessSpec[] | undefined> {
  const { order, context } = work
  const seats = await Promise.all(old.map((before) => freeSeat(run, before, work)))
  const taken = seats.flatMap((seat) => seat ?? [])
  if (taken.length < seats.length) return undefined
  const services = new Map(run.addresses.services).set(
    order.service.name,
    taken.map(({ ports }) => ports),
  )
  const service = run.service(order.service.name) ?? order.service
  const scope = { plan: run.plan, context, addresses: { ...run.addresses, services }, opensDebuggersLate: true }
  const specs = serviceSpecs(scope, service, 'reload').filter(({ unit }) => unit === service.name)
  if (specs.some(({ debug, opensDebuggerLate }) => debug !== undefined && !opensDebuggerLate)) return undefined
  return specs.slice(0, taken.length).map((spec, index) => ({ ...spec, id: taken[index]!.id, hash: `reload ${order.sequence}` }))
}

/** A seat of the replica that nobody sits on, with its ports; the debug port goes from seat to seat. */
async function freeSeat(
  run: ActiveRun,
  before: Supervisor,
  { context, home }: Work,
): Promise<{ id: string; ports: Record<string, number> } | undefined> {
  const seated = [...run.supervisors.values(), ...run.aside]
  const usedIds = new Set(seated.map(({ spec }) => spec.id))
  const usedPorts = new Set(seated.flatMap(({ spec }) => Object.values(spec.ports)))
  for (const id of seatsOf(replicaOf(before.spec.id))) {
    if (usedIds.has(id)) continue
    const ports = run.seatPorts.get(id) ?? (await choosePorts(id, Object.keys(before.spec.ports), context, home))
    run.seatPorts.set(id, ports)
    if (Object.values(ports).some((port) => usedPorts.has(port))) continue
    return { id, ports: { ...ports, ...(before.spec.debug && { debug: before.spec.debug.port }) } }
  }
  return undefined
}

async function choosePorts(id: string, names: string[], context: RunContext, home: string): Promise<Record<string, number>> {
  const registry = createPortRegistry(home)
  const ports: Record<string, number> = {}
  for (const name of names) if (name !== 'debug') ports[name] = (await registry.choose(`${context.runId}/${id}/${name}`)).port
  return ports
}

/** It listens on a port that it was not given, and that the old set has. */
function wantsSamePort({ ports }: ProcessSpec, evidence: string[] = []): boolean {
  const refusals = evidence.filter((line) => /EADDRINUSE|address already in use/i.test(line))
  return refusals.length > 0 && !refusals.some((line) => Object.values(ports).some((port) => line.includes(String(port))))
}
