import { AGENT_SCRIPT } from './reload-helper/agent.ts'
import { RUN } from './reload-helper/run.ts'
import { SEED_SCRIPT } from './reload-helper/seed.ts'
import { SPARE_NODE } from './reload-helper/spare-node.ts'
import { SPARE_PYTHON } from './reload-helper/spare-python.ts'

/** What a replica that can be reloaded has in its `/shiv` beside a static busybox, by file name. */
export const HELPER_SCRIPTS: Record<'run.sh' | 'agent.sh' | 'seed.sh' | 'spare.cjs' | 'spare.py', string> = {
  'run.sh': RUN,
  'agent.sh': AGENT_SCRIPT,
  'seed.sh': SEED_SCRIPT,
  'spare.cjs': SPARE_NODE,
  'spare.py': SPARE_PYTHON,
}
