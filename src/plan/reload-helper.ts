import { AGENT_SCRIPT } from './reload-helper/agent.ts'
import { RUN } from './reload-helper/run.ts'
import { SEED_SCRIPT } from './reload-helper/seed.ts'
import { SPARE } from './reload-helper/spare.ts'

/** What a replica that can be reloaded has in its `/shiv` beside a static busybox, by file name. */
export const HELPER_SCRIPTS: Record<'run.sh' | 'agent.sh' | 'seed.sh' | 'spare.cjs', string> = {
  'run.sh': RUN,
  'agent.sh': AGENT_SCRIPT,
  'seed.sh': SEED_SCRIPT,
  'spare.cjs': SPARE,
}
