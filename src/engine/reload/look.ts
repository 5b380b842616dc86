import { requireRun, requireServices } from '../find-run.ts'
import type { Ask } from '../parts.ts'
import type { LoopsResult, Target, VerifyResult } from '../results.ts'
import type { Workshop } from '../workshop.ts'
import { ShivError } from '../../core/errors.ts'
import { loopFile, openLoopLog } from './loop-log.ts'

/** The last loops of a run, oldest first; of a run that does not live too. */
export async function loopsOf(shop: Workshop, params: Target): Promise<LoopsResult> {
  const run = requireRun(shop, params.path)
  requireServices(run, params.services)
  const { log } = shop.parts
  const path = loopFile(shop.store.folder(run.id))
  const all = run.reloader
    ? await run.reloader.history()
    : (await openLoopLog(path, (error) => log.error('a loop could not be written', { cause: String(error) }))).all()
  const loops = all.filter(({ service }) => params.services.length === 0 || params.services.includes(service))
  return { version: 1, workspace: run.record.workspace.name, loops }
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
