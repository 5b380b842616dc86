import { toErrorShape } from '../../core/errors.ts'
import type { Endpoint, RunContext } from '../../engine/ports.ts'
import type { Plan, ServicePlan } from '../../plan/types.ts'
import { readCharge, writeCharge, type StartedBy } from './charge.ts'
import type { Addresses } from './service-environment.ts'
import { LogClock } from './log-clock.ts'
import type { ProcessSpec } from './process-spec.ts'
import { Reloads } from './reloads.ts'
import { removeRecord } from './records.ts'
import { replicaOf } from './seats.ts'
import type { SpareScripts } from './spare.ts'
import { Spares } from './spares.ts'
import { Supervisor } from './supervise.ts'

/** A start of a second process is not to slow down the first answers of what has just become ready. */
const SPARE_PAUSE_MS = 150

/** What this daemon holds of a run: who watches which process. Everything else is on disk. */
export class ActiveRun {
  /** Of the processes in charge, by replica. */
  readonly supervisors = new Map<string, Supervisor>()
  /** Those that are to take over, and those that are leaving. */
  readonly aside = new Set<Supervisor>()
  /** Ports of seats that were chosen already. */
  readonly seatPorts = new Map<string, Record<string, number>>()
  readonly crons = new Map<string, { hash: string; stop(): Promise<void>; release(): void }>()
  readonly versions = new Map<string, string>()
  readonly clock: LogClock
  plan: Plan
  context: RunContext
  addresses: Addresses
  private readonly published = new Map<string, string>()
  private readonly orders = new Map<string, StartedBy | undefined>()
  /** Services that are in the middle of a reload: what they pass through is nobody's news. */
  private readonly silent = new Map<string, number>()
  readonly reloads = new Reloads()
  readonly spares: Spares

  constructor(plan: Plan, context: RunContext, addresses: Addresses, spareScripts: SpareScripts = {}) {
    this.plan = plan
    this.context = context
    this.addresses = addresses
    this.clock = new LogClock(context.runDir)
    this.spares = new Spares(context.runDir, spareScripts)
  }

  /** Puts a supervisor in charge of a replica; it does nothing yet. */
  take(spec: ProcessSpec): Supervisor {
    const supervisor = this.makeSupervisor(spec)
    this.supervisors.set(replicaOf(spec.id), supervisor)
    return supervisor
  }

  /** A supervisor of a process beside the one in charge. */
  takeAside(spec: ProcessSpec): Supervisor {
    const supervisor = this.makeSupervisor(spec)
    this.aside.add(supervisor)
    return supervisor
  }

  /** Those aside take over, all at once; those that were in charge are aside from now on. */
  succeed(successors: Supervisor[]): Supervisor[] {
    const leaving = successors.flatMap((next) => {
      const replica = replicaOf(next.spec.id)
      const before = this.supervisors.get(replica)
      this.aside.delete(next)
      this.supervisors.set(replica, next)
      if (before !== undefined) this.aside.add(before)
      return before ?? []
    })
    return leaving
  }

  /** Ends a process that is not in charge, and forgets it. */
  async dropAside(supervisor: Supervisor): Promise<void> {
    await supervisor.stop()
    this.aside.delete(supervisor)
    removeRecord(this.context.runDir, supervisor.spec.id)
  }

  /** Ends the process of a replica and forgets it. */
  async drop(id: string): Promise<void> {
    const supervisor = this.supervisors.get(replicaOf(id))
    await supervisor?.stop()
    const others = [...this.aside].filter(({ spec }) => replicaOf(spec.id) === replicaOf(id))
    await Promise.all(others.map((other) => this.dropAside(other)))
    removeRecord(this.context.runDir, id)
    if (supervisor === undefined || this.supervisors.get(replicaOf(id)) !== supervisor) return
    this.supervisors.delete(replicaOf(id))
    removeRecord(this.context.runDir, supervisor.spec.id)
    this.publishEndpoints(supervisor.spec.source)
  }

  service(name: string): ServicePlan | undefined {
    return this.plan.services.find((service) => service.name === name)
  }

  ofSource(source: string): Supervisor[] {
    return [...this.supervisors.values()].filter(({ spec }) => spec.source === source)
  }

  /** The newest order of a service, over daemons. */
  order(service: string): StartedBy | undefined {
    if (!this.orders.has(service)) this.orders.set(service, readCharge(this.context.runDir, service).order)
    return this.orders.get(service)
  }

  /** Notes an order, and which seats are in charge from now on. */
  setCharge(service: string, order: StartedBy, inCharge: Supervisor[] = this.ofSource(service)): void {
    this.orders.set(service, order)
    const seats = Object.fromEntries(inCharge.map(({ spec }) => [replicaOf(spec.id), spec.id]))
    writeCharge(this.context.runDir, service, { order, seats })
  }

  /** Has a spare wait for the next reload of a service that wants one, once what runs has had its moment. */
  prepareSpare(name: string): void {
    const { spare, preload, overlap } = this.service(name)?.reload ?? {}
    if (spare === undefined) return
    this.reloads.whenQuiet(`${name} spare`, SPARE_PAUSE_MS, () => {
      const first = this.supervisors.get(`${name}.1`)
      if (first?.state !== 'ready') return
      // As the successor's command will be.
      const argv = overlap ? first.spec.argv.map((word) => word.replace(/^--inspect=/, '--inspect-port=')) : first.spec.argv
      this.spares.prepare({ ...first.spec, argv }, { interpreter: spare, preload }).catch((error: unknown) => {
        const { code, message, hint } = toErrorShape(error)
        this.context.emit({ kind: 'warning', code, message, ...(hint !== undefined && { hint }) })
      })
    })
  }

  /** Tells nothing of a service until the returned function is called, which tells how it is then. */
  silence(service: string): () => void {
    this.silent.set(service, (this.silent.get(service) ?? 0) + 1)
    let isSilent = true
    return () => {
      if (!isSilent) return
      isSilent = false
      const count = (this.silent.get(service) ?? 1) - 1
      if (count > 0) return void this.silent.set(service, count)
      this.silent.delete(service)
      for (const supervisor of this.ofSource(service)) this.publishHealth(supervisor)
      this.publishEndpoints(service)
    }
  }

  /** Addresses of the ready replicas of a service, by port name. */
  endpoints(service: string): Record<string, Endpoint[]> {
    const ports = this.service(service)?.ports ?? []
    const ready = this.ofSource(service).filter(({ state }) => state === 'ready')
    return Object.fromEntries(
      ports.map(({ name }) => [
        name,
        ready.flatMap(({ spec }) => (spec.ports[name] === undefined ? [] : [{ host: '127.0.0.1', port: spec.ports[name] }])),
      ]),
    )
  }

  /** Tells every service's endpoints again, for a front door that has just come up. */
  republish(): void {
    this.published.clear()
    for (const { name } of this.plan.services) this.publishEndpoints(name)
  }

  async release(): Promise<void> {
    this.clock.close()
    this.reloads.forget()
    for (const cron of this.crons.values()) cron.release()
    await this.spares.end()
    await Promise.all([...this.supervisors.values(), ...this.aside].map((supervisor) => supervisor.release()))
  }

  private makeSupervisor(spec: ProcessSpec): Supervisor {
    return new Supervisor(spec, this.context.runDir, {
      changed: (changed) => {
        this.publish(changed)
        this.openDebugger(changed)
      },
      launch: ({ spec }, options, onSpawned) => this.spares.launch(spec, options, onSpawned),
      order: ({ spec }) => (spec.kind === 'database' ? undefined : this.order(spec.source)),
      looping: (looping, evidence) =>
        this.context.emit({
          kind: 'warning',
          code: 'PROCESS_CRASH_LOOP',
          message: [`${looping.spec.replica} crashes again and again: ${looping.cause ?? ''}`, ...evidence].join('\n'),
          hint: `see what it wrote: shiv logs ${looping.spec.source}`,
        }),
    })
  }

  /** Lets a debugger in, unless another process of the replica may still have its port. */
  openDebugger(supervisor: Supervisor): void {
    const replica = replicaOf(supervisor.spec.id)
    const isAlone = ![...this.aside].some(({ spec }) => replicaOf(spec.id) === replica)
    if (isAlone && this.supervisors.get(replica) === supervisor) supervisor.openDebugger()
  }

  private publish(supervisor: Supervisor): void {
    const { id, source } = supervisor.spec
    if (this.silent.has(source) || this.supervisors.get(replicaOf(id)) !== supervisor) return
    this.publishHealth(supervisor)
    this.publishEndpoints(source)
  }

  private publishHealth({ spec, state, cause }: Supervisor): void {
    this.context.emit({ kind: 'health', service: spec.unit, replica: spec.replica, state, ...(cause !== undefined && { cause }) })
  }

  private publishEndpoints(service: string): void {
    if (this.silent.has(service)) return
    const first = this.service(service)?.ports[0]
    if (first === undefined) return
    for (const { name } of this.service(service)?.ports ?? []) {
      const endpoints = this.endpoints(service)[name] ?? []
      const text = JSON.stringify(endpoints)
      const key = `${service}/${name}`
      if (this.published.get(key) === text) continue
      this.published.set(key, text)
      this.context.emit({ kind: 'endpoints', service, endpoints, ...(name !== first.name && { port: name }) })
    }
  }
}
