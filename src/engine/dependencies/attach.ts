import { join } from 'node:path'
import { toErrorShape } from '../../core/errors.ts'
import type { Plan } from '../../plan/types.ts'
import type { Run } from '../run.ts'
import { readDotenv } from '../secrets.ts'
import type { Work } from '../work.ts'
import type { Workshop } from '../workshop.ts'
import { ensureEntrances } from './entrance.ts'
import { portKey, RunDependencies } from './run-dependencies.ts'

/** The dependencies of a run, made when they are first needed. */
export function dependenciesOf(shop: Workshop, run: Run): RunDependencies {
  return (run.dependencies ??= new RunDependencies({
    runId: run.id,
    root: run.record.workspace.root,
    folder: shop.store.folder(run.id),
    driver: () => shop.parts.dependencies(),
    entrances: async (remotes) => {
      const entrances = await ensureEntrances(shop.store.folder(run.id), remotes)
      for (const { password } of Object.values(entrances)) shop.parts.redactor.add(password)
      return entrances
    },
    environment: () => ({ ...run.variables, ...run.environment }),
    overrides: () => run.record.dependencies ?? {},
    onDefect(name, error) {
      const { code, message, stack } = toErrorShape(error)
      shop.parts.log.error('a defect of shiv ended a connection of a dependency', {
        id: run.id,
        name,
        code,
        cause: message,
        stack,
      })
    },
    local: {
      serviceUrl: (service) => run.routes.address(service)?.directUrl,
      database: (name) => run.live?.databases.find((database) => database.name === name),
    },
  }))
}

/** Before its services start: what they call is there. Throws what a dependency cannot be served by. */
export async function openDependencies(shop: Workshop, run: Run, plan: Plan, work: Work): Promise<void> {
  const { remotes = [] } = plan
  if (remotes.length === 0 && run.dependencies === undefined) return
  await work.steps.step('Open dependencies', async (step) => {
    const dependencies = dependenciesOf(shop, run)
    run.variables = await localVariables(plan)
    await dependencies.keep(plan)
    step.note(remotes.map(({ name }) => `${name} ${dependencies.get(name)?.setting?.mode ?? ''}`).join(', '))
  })
}

/** After a daemon that was killed: at the same ports, in the same modes. What cannot be served is told by its status; the run goes on. */
export async function recallDependencies(shop: Workshop, run: Run, plan: Plan): Promise<void> {
  if ((plan.remotes ?? []).length === 0) return
  const dependencies = dependenciesOf(shop, run)
  try {
    run.variables = await localVariables(plan)
    await dependencies.keep(plan, { lenient: true })
  } catch (error) {
    const { code, message } = toErrorShape(error)
    shop.parts.log.error('the dependencies of a run could not be opened', { id: run.id, code, cause: message })
  }
  for (const { remote, error } of dependencies.all) {
    if (error)
      shop.parts.log.warn('a dependency is not served', { id: run.id, name: remote.name, code: error.code, cause: error.message })
  }
}

/** What `.env.local` of the workspace and of the services that call dependencies holds: credentials may be there, as for services. */
async function localVariables(plan: Plan): Promise<NodeJS.ProcessEnv> {
  const users = plan.services.filter(({ remotes = [] }) => remotes.length > 0)
  const folders = [plan.workspace.root, ...users.map(({ root }) => root)]
  return Object.assign({}, ...(await Promise.all(folders.map((folder) => readDotenv(join(folder, '.env.local'))))))
}

/** Closes what a run had open; its ports stay its own. */
export async function closeDependencies(run: Run): Promise<void> {
  await run.dependencies?.close()
  run.dependencies = undefined
}

/** With the data of a run its ports are given back. */
export async function forgetDependencies(shop: Workshop, run: Run): Promise<void> {
  if ((run.record.plan.remotes ?? []).length === 0) return
  await (await shop.parts.dependencies()).forgetPorts(portKey(run.id))
}
