import type { Runtime } from '../engine/ports.ts'
import { ShivError } from '../core/errors.ts'

/** The kind runtime: cluster, image builder and Kubernetes driver put together. */
export async function composeKind(_options: { home: string }): Promise<Runtime> {
  const reason = 'The kind runtime is not part of this build.'
  const refuse = async (): Promise<never> => {
    throw new ShivError(reason, { code: 'KIND_MISSING', exit: 3, hint: 'shiv start --runtime process' })
  }
  return {
    name: 'kind',
    probe: async () => ({ available: false, code: 'KIND_MISSING', reason, hint: 'shiv start --runtime process' }),
    reconcile: refuse,
    adopt: refuse,
    read: refuse,
    readings: refuse,
    // oxlint-disable-next-line require-yield
    async *logs() {
      await refuse()
    },
    exec: refuse,
    restart: refuse,
    remove: refuse,
    release: async () => {},
  }
}
