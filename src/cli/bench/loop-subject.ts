import type { Variant } from '../../bench/experiment.ts'
import { ShivError } from '../../core/errors.ts'
import type { Loop, LoopsResult } from '../../wire/messages.ts'
import { loopSpans } from '../loop-spans.ts'
import { openEdit } from './edits.ts'
import type { Stage } from './stage.ts'

const DEADLINE_MS = 60_000
/** A loop that was not heard of by then is asked for: following takes a moment to begin, and a daemon may have been started anew. */
const ASK_AFTER_MS = 1_500
/** How far a file's time may be behind the clock: the kernel stamps files by its tick. Saves are further apart than that. */
const CLOCKS_MS = 100
/** Edits of one side are at least so far apart: time for a spare to be warm again, as between a person's saves. */
const PAUSE_MS = 400

export interface LoopSubject {
  variant: Variant
  /** Relative to the service. */
  file: string
  /** Takes the edit back, and waits until that is served. */
  close(): Promise<void>
}

/** The loop of a service that runs on a stage: saves of one file, each until its loop is served. */
export async function openLoopSubject(stage: Stage, service: { name: string; root: string }, file: string): Promise<LoopSubject> {
  const edit = await openEdit(file, service.root, stage.home)
  const ending = new AbortController()
  let hear: ((loop: Loop) => void) | undefined
  let lost: ((error: Error) => void) | undefined
  let quietUntil = 0
  const told = async (): Promise<Loop[]> => {
    const params = { path: stage.root, services: [service.name] }
    return (await stage.call<LoopsResult>({ method: 'loops', params })).loops
  }
  let lastId = (await told()).at(-1)?.id ?? 0
  const following = stage
    .call(
      { method: 'logs', params: { path: stage.root, services: [], sources: [service.name], follow: true, tail: 0 } },
      {
        signal: ending.signal,
        onEvent: (event) => {
          if (event.kind === 'loop') hear?.(event.loop)
        },
      },
    )
    .catch((error: Error) => {
      if (!ending.signal.aborted) lost?.(error)
    })

  const once = (save: () => Promise<void>, signal: AbortSignal): Promise<Loop> =>
    new Promise((resolve, reject) => {
      const earliest = performance.timeOrigin + performance.now() - CLOCKS_MS
      const timer = setTimeout(() => fail(unanswered(service.name, edit.name)), DEADLINE_MS)
      const asking = setInterval(() => told().then((loops) => loops.forEach((loop) => hear?.(loop)), fail), ASK_AFTER_MS)
      const done = (): void => {
        clearTimeout(timer)
        clearInterval(asking)
        signal.removeEventListener('abort', abort)
        hear = lost = undefined
      }
      const fail = (error: Error): void => {
        done()
        reject(error)
      }
      const abort = (): void => fail(new Error('interrupted'))
      signal.addEventListener('abort', abort, { once: true })
      lost = fail
      hear = (loop) => {
        // One of an earlier save, which something delayed, is not of this one.
        if (loop.id <= lastId || loop.savedAt < earliest || loop.service !== service.name || !loop.files.includes(edit.name))
          return
        lastId = loop.id
        done()
        if (loop.outcome === 'served') resolve(loop)
        else reject(notServed(loop))
      }
      save().catch(fail)
    })

  return {
    file: edit.name,
    variant: {
      measure: 'loop',
      of: service.name,
      side: stage.side,
      prepare: (signal) => pause(quietUntil - performance.now(), signal),
      async take(signal) {
        const loop = await once(edit.save, signal)
        quietUntil = performance.now() + PAUSE_MS
        return { ms: loop.durationMs, spans: loopSpans(loop), remarks: loop.remarks ?? [] }
      },
    },
    async close() {
      await edit.takeBack()
      ending.abort()
      await following
    },
  }
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
