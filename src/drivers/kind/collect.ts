import type { Collection } from '../docker/collect.ts'
import type { NodeStore } from './node-store.ts'

/** Removes images named `shiv.local/…` that `keep` does not name from the nodes, with containerd's second name for each. */
export async function collectNodeImages(stores: NodeStore[], collection: Collection): Promise<string[]> {
  const removed = new Set<string>()
  await Promise.all(
    stores.map(async (store) => {
      const images = await store.images()
      const old = oldImages(images, collection)
      await store.removeImages(old)
      for (const name of old) if (!name.startsWith('sha256:')) removed.add(name)
    }),
  )
  return [...removed]
}

/** Removes exactly these images from a node. */
export async function dropNodeImages(store: NodeStore, names: string[]): Promise<void> {
  const images = await store.images()
  await store.removeImages(oldImages(images, { keep: [...images.keys()].filter((name) => !names.includes(name)) }))
}

/** Names to remove: ours that are not kept, and the names by digest that nothing else shares. */
export function oldImages(images: ReadonlyMap<string, string>, { keep, workspace }: Collection): string[] {
  const prefix = workspace === undefined ? 'shiv.local/' : `shiv.local/${workspace}/`
  const isOld = (name: string): boolean => name.startsWith(prefix) && !keep.includes(name)
  const stay = new Set([...images].filter(([name]) => !isOld(name) && !name.startsWith('sha256:')).map(([, digest]) => digest))
  const go = new Set([...images].filter(([name, digest]) => isOld(name) && !stay.has(digest)).map(([, digest]) => digest))
  return [...images]
    .filter(([name, digest]) => isOld(name) || (name.startsWith('sha256:') && go.has(digest)))
    .map(([name]) => name)
}
