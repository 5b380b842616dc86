import type { RunContext } from '../../engine/ports.ts'
import type { ActiveRun } from './active-run.ts'
import { needService } from './exec.ts'
import { prepareService } from './prepare-service.ts'
import { serviceSpecs } from './service-specs.ts'

/** Starts a service anew, one replica after the other; the next one goes only when the one before answers again. */
export async function restartService(run: ActiveRun, name: string, context: RunContext, home: string): Promise<void> {
  const service = needService(run.plan, name)
  await prepareService(service, context, home)
  await context.step(`restart ${name}`, async (step) => {
    const specs = serviceSpecs({ plan: run.plan, context, addresses: run.addresses }, service)
    for (const [index, spec] of specs.entries()) {
      step.progress(`${index + 1} of ${specs.length}`)
      await run.drop(spec.id)
      await run.take(spec).start(context.signal)
    }
  })
}
