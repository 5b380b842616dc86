import { ShivError, toErrorShape } from '../core/errors.ts'
import { isWhole } from './live.ts'
import { closeDependencies, recallDependencies } from './dependencies/attach.ts'
import type { Ask } from './parts.ts'
import type { Workshop } from './workshop.ts'
import { createRun, failure, type Run } from './run.ts'
import { recallReload, reloaderOf } from './reload/attach.ts'
import { findSecrets } from './secrets.ts'
import { startAgain } from './start.ts'
import { operate } from './work.ts'

/** Reads every record; what cannot be read is named in the log. */
export async function loadRuns(shop: Workshop): Promise<void> {
  const { records, warnings } = await shop.store.load()
  for (const warning of warnings) shop.parts.log.warn(warning, { code: 'RUN_RECORD_BROKEN' })
  for (const record of records) shop.runs.set(record.id, createRun(record, shop.parts, shop.store))
}

/** Takes over what still lives; runs come back side by side, and a start asked meanwhile waits for its own. */
export async function adoptRuns(shop: Workshop, signal: AbortSignal): Promise<void> {
  const ask: Ask = { by: { command: 'shiv daemon, finding its runs', pid: process.pid }, signal, emit: async () => {} }
  const living = [...shop.runs.values()].filter((run) => run.record.state !== 'stopped')
  await Promise.all(living.map((run) => adopt(shop, run, ask)))
}

async function adopt(shop: Workshop, run: Run, ask: Ask): Promise<void> {
  const { plan, workspace } = run.record
  try {
    await operate(shop, workspace.root, ask, async (work) => {
      const runtime = await shop.parts.runtime(run.record.runtime)
      await readSecretsAgain(shop, run)
      await run.routes.keep(plan)
      await recallDependencies(shop, run, plan)
      const live = await runtime.adopt(plan, work.context(run, process.env))
      if (live === undefined) {
        await closeDependencies(run)
        await run.routes.clear()
        return run.dispatch(failure(run, toErrorShape(lost())))
      }
      run.isAttached = true
      await run.see(live)
      await run.dispatch({ type: 'adopted', isWhole: isWhole(live) })
      await recallReload(
        shop,
        run,
        reloaderOf(shop, run, runtime, () => startAgain(shop, run)),
      )
    })
  } catch (error) {
    const shape = toErrorShape(error)
    shop.parts.log.error('a run could not be taken over', {
      id: run.id,
      code: shape.code,
      cause: shape.message,
      stack: shape.stack,
    })
    await run.dispatch(failure(run, shape))
  }
}

/** What stands in `.env.local`; what its starter had exported is not known any more, and only a process that starts anew lacks it. */
async function readSecretsAgain(shop: Workshop, run: Run): Promise<void> {
  try {
    // Not this daemon's own environment: that is of whoever called it first, perhaps from another workspace.
    run.secrets = (await findSecrets(run.record.plan, {})).values
    for (const value of run.secrets.values()) shop.parts.redactor.add(value)
  } catch (error) {
    const { code, message } = toErrorShape(error)
    shop.parts.log.warn('the secrets of a run could not be read', { id: run.id, code, cause: message })
  }
}

function lost(): ShivError {
  return new ShivError('Nothing of this run lives any more; perhaps the machine was started anew.', {
    code: 'RUN_LOST',
    hint: 'shiv start brings it back with its data; shiv stop forgets it',
  })
}
