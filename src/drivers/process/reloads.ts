import { ShivError } from '../../core/errors.ts'

/** The reloads of a run: one at a time of a service, and a newer one gives up the one before. */
export class Reloads {
  /** Services whose two sets wanted the same port once: they are replaced instead. */
  readonly cannotOverlap = new Set<string>()
  private readonly current = new Map<string, { overtake(): void; done: Promise<unknown> }>()
  private readonly leaving = new Set<Promise<void>>()
  private readonly later = new Map<string, { timer: NodeJS.Timeout; work(): void }>()

  /** Runs `work` as soon as the reload before, if there is one, has given up. */
  async run<T>(service: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const before = this.current.get(service)
    before?.overtake()
    this.drop(service)
    const overtaken = new AbortController()
    const either = AbortSignal.any([signal, overtaken.signal])
    const result = (async () => {
      await before?.done
      either.throwIfAborted()
      return work(either)
    })()
    const mine = { overtake: () => overtaken.abort(newerOrder(service)), done: result.catch(() => {}) } // told to who asked
    this.current.set(service, mine)
    try {
      return await result
    } finally {
      if (this.current.get(service) === mine) this.current.delete(service)
    }
  }

  /** Resolves when no reload of a service is at work. */
  async ended(service: string): Promise<void> {
    while (this.current.has(service)) await this.current.get(service)?.done
  }

  /** Notes work that goes on when a reload is over: the end of what served before. */
  leave(work: Promise<void>): void {
    const noted: Promise<void> = work.finally(() => this.leaving.delete(noted))
    noted.catch(() => {}) // told by who began it
    this.leaving.add(noted)
  }

  /** Runs `work` a while after the last reload of a service, when nobody waits for anything. */
  whenQuiet(service: string, pauseMs: number, work: () => void): void {
    this.drop(service)
    const once = (): void => {
      this.drop(service)
      work()
    }
    this.later.set(service, { timer: setTimeout(once, pauseMs).unref(), work: once })
  }

  /** Gives up every reload, and waits for what they leave and planned to be done. */
  async endAll(): Promise<void> {
    for (const { overtake } of this.current.values()) overtake()
    await Promise.all([...this.current.values()].map(({ done }) => done))
    for (const { work } of this.later.values()) work()
    await Promise.allSettled(this.leaving)
  }

  /** Plans nothing more. */
  forget(): void {
    for (const service of this.later.keys()) this.drop(service)
  }

  private drop(service: string): void {
    clearTimeout(this.later.get(service)?.timer)
    this.later.delete(service)
  }
}

function newerOrder(service: string): ShivError {
  return new ShivError(`A newer change of ${service} took over.`, { code: 'RELOAD_OVERTAKEN' })
}
