import type { RunEvent } from '../ports.ts'
import type { ServicePlan } from '../../plan/types.ts'
import { serviceEnvironment, type HostCommand } from './build-step.ts'

/** Lines that are told of a run of tests that failed. */
const TOLD = 20

/** Runs a service's tests beside its loops, the newest state only: a newer save ends a run that is still at work. */
export class TestRunner {
  private readonly command: HostCommand
  private readonly tell: (event: RunEvent) => void
  private readonly running = new Map<string, { abort: AbortController; done: Promise<void> }>()

  constructor(command: HostCommand, tell: (event: RunEvent) => void) {
    this.command = command
    this.tell = tell
  }

  /** Never throws and is not waited for; a service without a test command has none. */
  run(service: ServicePlan, environment: NodeJS.ProcessEnv): void {
    const argv = service.reload?.test
    if (argv === undefined) return
    const before = this.running.get(service.name)
    before?.abort.abort()
    const abort = new AbortController()
    this.running.set(service.name, { abort, done: this.testAfter(before?.done, service, argv, environment, abort.signal) })
  }

  async close(): Promise<void> {
    for (const { abort } of this.running.values()) abort.abort()
    await Promise.all([...this.running.values()].map(({ done }) => done))
  }

  /** Two runs at once would share ports, databases and files. */
  private async testAfter(before: Promise<void> | undefined, ...run: Parameters<TestRunner['test']>): Promise<void> {
    await before
    if (!run[3].aborted) await this.test(...run)
  }

  private async test(service: ServicePlan, argv: string[], environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
    const began = performance.now()
    const { code, lines } = await this.command(argv, { cwd: service.root, env: serviceEnvironment(environment, service), signal })
    if (signal.aborted) return
    const durationMs = performance.now() - began
    this.tell({
      kind: 'tests',
      service: service.name,
      passed: code === 0,
      durationMs,
      lines: code === 0 ? [] : lines.slice(-TOLD),
    })
  }
}
