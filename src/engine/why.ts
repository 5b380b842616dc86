import { realpathSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { compileReload, workspaceFiles } from '../plan/reload-rules.ts'
import type { Verdict } from '../plan/reload-rules.ts'
import type { Plan, RuntimeName, ServicePlan } from '../plan/types.ts'
import { chooseRuntime } from './choose-runtime.ts'
import { isWithin, runAt } from './find-run.ts'
import type { ServiceVerdict, StartParams, WhyResult } from './results.ts'
import type { IgnoreRules } from '../spec/ignore-rules.ts'
import { ignoreRulesOf } from './reload/ignores.ts'
import { modesOf } from './start.ts'
import type { Workshop } from './workshop.ts'

/** What a save of each file would do, to which services, and by which rule. Looks at the definition alone: nothing needs to run. */
export async function whyOf(shop: Workshop, params: StartParams & { files: string[] }): Promise<WhyResult> {
  const plan = await planOfAll(shop, params)
  const classifiers = plan.services.map((service) => ({
    service,
    classify: compileReload(service, workspaceFiles(plan, service)),
    ignores: ignoreRulesOf(service, plan),
  }))
  const files = params.files.map((file) => {
    const path = withoutLinks(file)
    const verdicts = classifiers.flatMap(({ service, classify, ignores }) => {
      const verdict = ignored(service, path, ignores) ?? classify(path)
      return verdict ? [{ service, verdict }] : []
    })
    return { file: path, verdicts: grouped(path, verdicts) }
  })
  return { version: 1, workspace: plan.workspace, runtime: plan.runtime, files }
}

/** Of the whole workspace, as it runs, or as a start would bring it to life. A runtime that is named needs not be there. */
async function planOfAll(shop: Workshop, params: StartParams): Promise<Plan> {
  const planner = await shop.parts.planner()
  const model = await planner.load(params.path, { environment: params.env })
  const run = runAt(shop, model.workspace.root)
  const live = run?.isAttached ? run.record : undefined
  const runtime = params.runtime ?? live?.runtime ?? (await usualRuntime(shop, params))
  const services = model.services.map(({ name }) => name)
  const modes = modesOf({ ...(live && { debug: live.debug, reload: live.reload }), ...params })
  return planner.localise(planner.build(model, { services }), runtime, model, modes)
}

async function usualRuntime(shop: Workshop, { environment }: StartParams): Promise<RuntimeName> {
  const choice = await chooseRuntime({ asked: undefined, previous: undefined, environment, get: shop.parts.runtime })
  return choice.runtime.name
}

/** Services of one verdict are told of together; a service.yaml is its own service's, shiv.yaml is everybody's. */
function grouped(path: string, verdicts: { service: Plan['services'][number]; verdict: Verdict }[]): ServiceVerdict[] {
  const owners = verdicts.filter(({ service }) => isWithin(path, service.root))
  const groups = new Map<string, ServiceVerdict>()
  for (const { service, verdict } of owners.length > 0 ? owners : verdicts) {
    const { decidedBy: _rule, ...told } = verdict
    const key = JSON.stringify(told)
    const group = groups.get(key)
    if (group) group.services.push(service.name)
    else groups.set(key, { services: [service.name], ...told })
  }
  return [...groups.values()]
}

function ignored(service: ServicePlan, path: string, ignores: IgnoreRules): Verdict | undefined {
  if (!isWithin(path, service.root) || path === service.root) return undefined
  const rule = ignores.whyIgnored(relative(service.root, path).split(sep).join('/'), false)
  if (rule === undefined) return undefined
  return { action: 'ignore', rule, from: 'ignore rules', targets: [], why: 'it is not watched' }
}

/** As the workspace's own paths are: its folder is real, and a link is a file of its own. A folder that is not there is named as it was. */
function withoutLinks(file: string): string {
  try {
    return join(realpathSync(dirname(file)), basename(file))
  } catch {
    return dirname(file) === file ? file : join(withoutLinks(dirname(file)), basename(file))
  }
}
