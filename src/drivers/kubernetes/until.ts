import type { KubeClient } from './client.ts'
import type { Live } from './objects.ts'
import { watchCollection } from './watch.ts'

/** Resolves when a collection (a path with its selectors) is empty. Rejects with the signal's reason when aborted. */
export function untilEmpty(client: KubeClient, path: string, signal: AbortSignal): Promise<void> {
  return untilCollection(client, path, signal, (objects) => objects.length === 0)
}

/** Resolves when the object of that name is gone (or is another one, when `uid` is given). */
export function untilGone(
  client: KubeClient,
  collection: string,
  name: string,
  signal: AbortSignal,
  uid?: string,
): Promise<void> {
  const path = `${collection}?fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`
  return untilCollection(client, path, signal, (objects) =>
    objects.every((object) => uid !== undefined && object.metadata.uid !== uid),
  )
}

/** Watches a collection until a condition over all of its objects holds. */
export function untilCollection(
  client: KubeClient,
  path: string,
  signal: AbortSignal,
  holds: (objects: Live[]) => boolean,
): Promise<void> {
  const stop = new AbortController()
  const objects = new Map<string, Live>()
  return new Promise<void>((resolve, reject) => {
    const check = () => {
      if (holds([...objects.values()])) resolve()
    }
    watchCollection(client, path, AbortSignal.any([signal, stop.signal]), {
      replaced(all) {
        objects.clear()
        for (const object of all) objects.set(object.metadata.name, object)
        check()
      },
      changed(object) {
        objects.set(object.metadata.name, object)
        check()
      },
      deleted(object) {
        objects.delete(object.metadata.name)
        check()
      },
      connected() {
        // A broken stream is opened again by the watch itself.
      },
    }).then(() => signal.aborted && reject(signal.reason as Error), reject)
  }).finally(() => stop.abort())
}
