import { join } from 'node:path'
import { ShivError } from '../core/errors.ts'
import { buildPlan } from '../plan/build.ts'
import { localise } from '../plan/localise.ts'
import { compileReload, workspaceFiles } from '../plan/reload-rules.ts'
import { parityFacts, scoreParity, verifyFacts } from '../plan/parity.ts'
import { loadWorkspace } from '../spec/load.ts'
import type { Planner } from './parts.ts'
import { ignoreRulesOf } from './reload/ignores.ts'

/** The rooms `spec` and `plan`, as the engine uses them; a module of its own so that an idle daemon does not load them. */
export const planner: Planner = {
  load: loadWorkspace,
  build: buildPlan,
  localise(plan, runtime, model, options) {
    if (runtime !== 'context') return localise(plan, runtime, model, options)
    throw new ShivError('A run on a cluster of the kubeconfig is not offered here.', {
      code: 'RUNTIME_UNKNOWN',
      exit: 2,
      hint: 'shiv start --runtime kind, or --runtime process',
    })
  },
  reloadRules(service, plan) {
    const classify = compileReload(service, workspaceFiles(plan, service))
    const foreign = {
      action: 'ignore' as const,
      rule: 'ignore',
      from: 'shiv',
      targets: [],
      why: 'it is no business of the service',
    }
    return {
      isIgnored: ignoreRulesOf(service, plan).isIgnored,
      verdict: (path) => classify(join(service.root, path)) ?? foreign,
    }
  },
  facts: parityFacts,
  verify: verifyFacts,
  score: scoreParity,
}
