import type { Endpoint, RunContext } from '../../engine/ports.ts'
import type { Plan, ServicePlan } from '../../plan/types.ts'
import type { Addresses } from './service-environment.ts'
import { LogClock } from './log-clock.ts'
import type { ProcessSpec } from './process-spec.ts'
import { removeRecord } from './records.ts'
import { Supervisor } from './supervise.ts'

/** What this daemon holds of a run: who watches which process. Everything else is on disk. */
export class ActiveRun {
  readonly supervisors = new Map<string, Supervisor>()
  readonly crons = new Map<string, { hash: string; stop(): Promise<void>; release(): void }>()
  readonly versions = new Map<string, string>()
  readonly clock: LogClock
  plan: Plan
  context: RunContext
  addresses: Addresses
  private readonly published = new Map<string, string>()

  constructor(plan: Plan, context: RunContext, addresses: Addresses) {
    this.plan = plan
    this.context = context
    this.addresses = addresses
    this.clock = new LogClock(context.runDir)
  }

  /** Puts a supervisor in charge of a spec; it does nothing yet. */
  take(spec: ProcessSpec): Supervisor {
    const supervisor = new Supervisor(spec, this.context.runDir, {
      changed: (changed) => this.publish(changed),
      looping: (looping, evidence) =>
        this.context.emit({
          kind: 'warning',
          code: 'PROCESS_CRASH_LOOP',
          message: [`${looping.spec.replica} crashes again and again: ${looping.cause ?? ''}`, ...evidence].join('\n'),
          hint: `see what it wrote: shiv logs ${looping.spec.source}`,
        }),
    })
    this.supervisors.set(spec.id, supervisor)
    return supervisor
  }

  /** Ends a process and forgets it. */
  async drop(id: string): Promise<void> {
    const supervisor = this.supervisors.get(id)
    await supervisor?.stop()
    this.supervisors.delete(id)
    removeRecord(this.context.runDir, id)
    if (supervisor !== undefined) this.publishEndpoints(supervisor.spec.source)
  }

  service(name: string): ServicePlan | undefined {
    return this.plan.services.find((service) => service.name === name)
  }

  ofSource(source: string): Supervisor[] {
    return [...this.supervisors.values()].filter(({ spec }) => spec.source === source)
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

  private publish(supervisor: Supervisor): void {
    const { spec, state, cause } = supervisor
    this.context.emit({ kind: 'health', service: spec.unit, replica: spec.replica, state, ...(cause !== undefined && { cause }) })
    this.publishEndpoints(spec.source)
  }

  /** Tells every service's endpoints again, for a front door that has just come up. */
  republish(): void {
    this.published.clear()
    for (const { name } of this.plan.services) this.publishEndpoints(name)
  }

  private publishEndpoints(service: string): void {
    const first = this.service(service)?.ports[0]
    if (first === undefined) return
    const endpoints = this.endpoints(service)[first.name] ?? []
    const text = JSON.stringify(endpoints)
    if (this.published.get(service) === text) return
    this.published.set(service, text)
    this.context.emit({ kind: 'endpoints', service, endpoints })
  }

  async release(): Promise<void> {
    this.clock.close()
    for (const cron of this.crons.values()) cron.release()
    await Promise.all([...this.supervisors.values()].map((supervisor) => supervisor.release()))
  }
}
