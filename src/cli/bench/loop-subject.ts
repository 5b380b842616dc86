import type { Variant } from '../../bench/experiment.ts'
import { ShivError } from '../../core/errors.ts'
import type { Loop, LoopsResult } from '../../wire/messages.ts'
import { loopSpans } from '../loop-spans.ts'
import { openEdit } from './edits.ts'
import type { Stage } from './stage.ts'

const DEADLINE_MS = 60_000
/** How far a file's time may be behind the clock: the kernel stamps files by its tick. Saves are further apart than that. */
const CLOCKS_MS = 100
/** Edits of one side are at least so far apart: time for a spare to be warm again, as between a person's saves. */
const PAUSE_MS = 400
/** Until then the daemon has heard that its next loop is waited for. */
const HEARD_MS = 50

export interface LoopSubject {
  variant: Variant
  /** Relative to the service. */
  file: string
  /** Takes the edit back. */
  close(): Promise<void>
}

/** The loop of a service that runs on a stage: saves of one file, each until its loop is served. */
export async function openLoopSubject(stage: Stage, service: { name: string; root: string }, file: string): Promise<LoopSubject> {
  const edit = await openEdit(file, service.root, stage.home)
  const target = { path: stage.root, services: [service.name] }
  const loops = async (after: number | undefined, signal?: AbortSignal): Promise<Loop[]> => {
    const params = { ...target, ...(after !== undefined && { after }) }
    return (await stage.call<LoopsResult>({ method: 'loops', params }, { ...(signal && { signal }) })).loops
  }
  let lastId = (await loops(undefined)).at(-1)?.id ?? 0

  let quietUntil = 0
  /** Asked for before the save and answered when a loop is over, so that nothing is sent or heard while one runs. */
  let next: Promise<Loop[]> | undefined
  const waitForNext = (signal: AbortSignal): void => {
    next = loops(lastId, signal)
    next.catch(() => {}) // told to who awaits it
  }

  const once = async (signal: AbortSignal): Promise<Loop> => {
    const earliest = performance.timeOrigin + performance.now() - CLOCKS_MS
    await edit.save()
    for (;;) {
      for (const loop of await next!) {
        lastId = Math.max(lastId, loop.id)
        // One of an earlier save, which something delayed, is not of this one.
        if (loop.savedAt < earliest || !loop.files.includes(edit.name)) continue
        if (loop.outcome === 'served') return loop
        throw notServed(loop)
      }
      waitForNext(signal)
    }
  }

  return {
    file: edit.name,
    variant: {
      measure: 'loop',
      of: service.name,
      side: stage.side,
      async prepare(signal) {
        waitForNext(signal)
        await pause(Math.max(HEARD_MS, quietUntil - performance.now()), signal)
      },
      async take(signal) {
        const loop = await within(DEADLINE_MS, once(signal), () => unanswered(service.name, edit.name))
        quietUntil = performance.now() + PAUSE_MS
        return { ms: loop.durationMs, spans: loopSpans(loop), remarks: loop.remarks ?? [] }
      },
    },
    close: () => edit.takeBack(),
  }
}

async function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const lateness = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  return Promise.race([work, lateness]).finally(() => clearTimeout(timer))
}

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
    function end(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
  })
}

function unanswered(service: string, file: string): ShivError {
  return new ShivError(`A save of ${file} was not answered by ${service} within ${DEADLINE_MS / 1_000} s.`, {
    code: 'BENCH_LOOP_FAILED',
    hint: `shiv start ${service} --follow shows what a save does`,
  })
}

function notServed({ service, files, outcome, error }: Loop): ShivError {
  const what = error?.message ?? `nothing that runs was concerned (${outcome})`
  return new ShivError(`A save of ${files[0] ?? 'a file'} did not reload ${service}: ${what}`, {
    code: 'BENCH_LOOP_FAILED',
    hint: error?.hint ?? `shiv why ${files[0] ?? 'FILE'}`,
    ...(error?.evidence && { evidence: error.evidence }),
  })
}
