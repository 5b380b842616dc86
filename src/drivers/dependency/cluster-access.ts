import { createClient, KubeApiError, type KubeClient } from '../kubernetes/client.ts'
import type { Caller } from '../caller.ts'
import { accessOf } from '../kubernetes/kubeconfig.ts'
import { findContext } from './user-kubeconfig.ts'

/** The API server of a context of the user's kubeconfig, with credentials that are asked for again before they end. */
export interface ClusterAccess {
  readonly context: string
  /** A client whose credential has not expired. Throws what the kubeconfig or its plugin is missing. */
  client(signal: AbortSignal): Promise<KubeClient>
  /** Runs `work` with a client, and once more with a new credential where the server does not take this one. */
  use<T>(work: (client: KubeClient) => Promise<T>, signal: AbortSignal): Promise<T>
  close(): void
}

/** A credential without an end is read again after so long: the file may have changed. */
const UNTOLD_MS = 5 * 60_000
/** It is renewed so long before its end. */
const MARGIN_MS = 60_000
/** No longer than this for one asking, whoever waits for it. */
const ASK_MS = 35_000

export function createClusterAccess(context: string, caller: Caller): ClusterAccess {
  let held: { client: KubeClient; renewAt: number } | undefined
  let asking: Promise<KubeClient> | undefined

  const ask = async (): Promise<KubeClient> => {
    try {
      const access = await accessOf(await findContext(context, caller), caller, AbortSignal.timeout(ASK_MS))
      const { expires } = access
      const client = createClient(access)
      // Whoever still uses the one before goes on with it.
      held = { client, renewAt: expires === undefined ? Date.now() + UNTOLD_MS : expires - MARGIN_MS }
      return client
    } finally {
      asking = undefined
    }
  }
  const current = async (signal: AbortSignal): Promise<KubeClient> => {
    if (held !== undefined && held.renewAt > Date.now()) return held.client
    const client = await (asking ??= ask())
    signal.throwIfAborted()
    return client
  }
  return {
    context,
    client: current,
    async use(work, signal) {
      const client = await current(signal)
      try {
        return await work(client)
      } catch (error) {
        if (!(error instanceof KubeApiError) || error.status !== 401) throw error
        if (held?.client === client) held = undefined
        return work(await current(signal))
      }
    },
    close() {
      held?.client.close()
      held = undefined
    },
  }
}
