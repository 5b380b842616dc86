import { SPARE } from './reload-helper/spare.ts'

/** What a replica that can be reloaded has in its `/shiv` beside a static busybox, by file name. */
export const HELPER_SCRIPTS: Record<'run.sh' | 'agent.sh' | 'seed.sh' | 'spare.cjs', string> = {
  'run.sh': '',
  'agent.sh': '',
  'seed.sh': '',
  'spare.cjs': SPARE,
}
