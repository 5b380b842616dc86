import { requireRun, requireServices } from '../find-run.ts'
import type { Ask } from '../parts.ts'
import type { LoopsResult, Target, VerifyResult } from '../results.ts'
import type { Workshop } from '../workshop.ts'
import { ShivError } from '../../core/errors.ts'
import type { Run } from '../run.ts'
import type { Loop } from './loop.ts'
import { loopFile, openLoopLog } from './loop-log.ts'

/**
 * The last loops of a run, oldest first; of a run that does not live too. With `after` those of a higher id, as soon as there is one: who waits so is told
 * when a loop is over, and of nothing while it runs.
 */
export async function loopsOf(
  shop: Workshop,
  { path, services, after }: Target & { after?: number },
  ask: Ask,
): Promise<LoopsResult> {
  const run = requireRun(shop, path)
  requireServices(run, services)
  const wanted = async (): Promise<Loop[]> =>
    (await historyOf(shop, run)).filter(
      ({ id, service }) => (services.length === 0 || services.includes(service)) && id > (after ?? 0),
    )
  const told = (loops: Loop[]): LoopsResult => ({ version: 1, workspace: run.record.workspace.name, loops })
  if (after === undefined) return told(await wanted())
  let wake: () => void = () => {}
  const unlisten = run.listen(({ kind }) => kind === 'loop' && wake())
  ask.signal.addEventListener('abort', () => wake())
  try {
    for (;;) {
      const next = new Promise<void>((resolve) => (wake = resolve))
      const loops = await wanted()
      if (loops.length > 0 || ask.signal.aborted) return told(loops)
      await next
    }
  } finally {
    unlisten()
  }
}

async function historyOf({ parts: { log }, store }: Workshop, run: Run): Promise<Loop[]> {
  if (run.reloader) return run.reloader.history()
  const notWritten = (error: unknown): void => log.error('a loop could not be written', { cause: String(error) })
  return (await openLoopLog(loopFile(store.folder(run.id)), notWritten)).all()
}

/** Compares what every replica holds with the working copy, by hash. Throws RELOAD_OFF where nothing of the run is reloaded. */
export async function verifyRun(shop: Workshop, params: Target, ask: Ask): Promise<VerifyResult> {
  const run = requireRun(shop, params.path)
  requireServices(run, params.services)
  if (!run.reloader || run.reloader.services.size === 0) {
    throw new ShivError(`Nothing of ${run.record.workspace.name} is reloaded in place, so there is nothing to compare.`, {
      code: 'RELOAD_OFF',
      exit: 2,
      hint: 'shiv start without --no-reload; a service says `reload: off` in its service.yaml, or its run is stopped',
    })
  }
  const services = await run.reloader.verify(params.services, ask.signal)
  const isSame = services.every(({ replicas }) =>
    replicas.every(({ differing, cause }) => differing.length === 0 && cause === undefined),
  )
  return { version: 1, workspace: run.record.workspace.name, isSame, services }
}
