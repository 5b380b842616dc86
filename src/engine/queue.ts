import { ShivError } from '../core/errors.ts'

export interface Worker {
  command: string
  pid: number
}

export interface Queue {
  /**
   * Runs `work` when everything that was asked before under `key` has ended; calls `onWaiting` once with who is ahead.
   * An abort while waiting ends with INTERRUPTED and the work never begins.
   */
  run<T>(
    key: string,
    ask: { by: Worker; signal: AbortSignal; onWaiting(behind: Worker): void },
    work: () => Promise<T>,
  ): Promise<T>
  /** Resolves when nothing is at work or waiting. */
  idle(): Promise<void>
  busy(): boolean
}

export function createQueue(): Queue {
  /** Per key, who is at work and, after it, who waits. */
  const lines = new Map<string, { by: Worker; done: Promise<void> }[]>()
  return {
    async run(key, { by, signal, onWaiting }, work) {
      const line = lines.get(key) ?? []
      lines.set(key, line)
      const [atWork] = line
      const ahead = line.at(-1)?.done
      let finish = (): void => {}
      const mine = { by, done: new Promise<void>((resolve) => (finish = resolve)) }
      line.push(mine)
      const leave = (): void => {
        line.splice(line.indexOf(mine), 1)
        if (line.length === 0) lines.delete(key)
        finish()
      }
      if (atWork && ahead) {
        onWaiting(atWork.by)
        await Promise.race([ahead, aborted(signal)])
        if (signal.aborted) {
          void ahead.then(leave) // whoever comes after still waits for those before
          throw interruption()
        }
      }
      try {
        throwIfInterrupted(signal)
        return await work()
      } finally {
        leave()
      }
    },
    async idle() {
      while (lines.size > 0) await Promise.all([...lines.values()].flat().map((place) => place.done))
    },
    busy: () => lines.size > 0,
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Ends work whose asker has given it up. */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw interruption()
}

export function interruption(cause?: unknown): ShivError {
  return new ShivError('Interrupted.', {
    code: 'INTERRUPTED',
    exit: 130,
    hint: 'the next `shiv start` completes what was begun; `shiv stop` removes it',
    cause,
  })
}
