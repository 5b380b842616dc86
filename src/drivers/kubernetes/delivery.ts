import type { Cluster, ClusterDriver, RunContext } from '../../engine/ports.ts'
import { IMAGE_PLACEHOLDER, type Plan } from '../../plan/types.ts'
import type { BuiltImage, ImageBuilder } from '../../engine/ports.ts'
import type { KubeClient } from './client.ts'
import type { Inventory } from './inventory.ts'
import { knownPath } from './mapping.ts'
import type { Live } from './objects.ts'

/** Builds every image of the Plan, side by side. Returns the reference of each service's image. */
export async function buildImages(
  plan: Plan,
  images: ImageBuilder,
  context: RunContext,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const built = await ensureImages(plan, images, { ...context, signal }, false)
  return new Map(built.map(({ service, reference }) => [service, reference]))
}

/** The same, with how each came to be; `fresh`: without any cache. */
export function ensureImages(plan: Plan, images: ImageBuilder, context: RunContext, fresh: boolean): Promise<BuiltImage[]> {
  return Promise.all(
    plan.images.map((image) =>
      context.step(`image ${image.service}`, async (step) => {
        const { signal, environment } = context
        const progress = (text: string): void => step.progress(text)
        const built = await images.ensure(image, { signal, environment, progress, fresh })
        if (built.cached) step.note('cached')
        return { service: image.service, steps: [], ...built }
      }),
    ),
  )
}

/** Brings images to the nodes, once: what these very nodes were given before is not offered again. */
export interface Delivery {
  bring(references: string[]): Promise<void>
  /** Whether anything was taken for granted. */
  readonly hasSkipped: boolean
  /** Offers all of them again: a node may have thrown an image away. */
  again(): Promise<void>
}

export async function createDelivery(
  client: KubeClient,
  driver: ClusterDriver,
  cluster: Cluster,
  inventory: Inventory,
  context: RunContext,
): Promise<Delivery> {
  const nodes = await nodeIdentity(client)
  if (inventory.delivered.nodes !== nodes) inventory.delivered = { nodes, references: [] }
  const wanted = new Set<string>()
  let hasSkipped = false

  const send = (references: string[]) =>
    context.step('images to the cluster', async (step) => {
      const { sentBytes } = await driver.deliver(cluster, references, {
        signal: context.signal,
        progress: (text) => step.progress(text),
      })
      step.note(sentBytes === 0 ? 'already there' : `${(sentBytes / 1e6).toFixed(1)} MB sent`)
    })

  return {
    get hasSkipped() {
      return hasSkipped
    },
    async bring(references) {
      const real = references.filter((reference) => !reference.startsWith(IMAGE_PLACEHOLDER))
      for (const reference of real) wanted.add(reference)
      const news = real.filter((reference) => !inventory.delivered.references.includes(reference))
      if (news.length < real.length) hasSkipped = true
      if (news.length === 0) return
      await send(news)
      inventory.delivered.references = [...new Set([...inventory.delivered.references, ...news])].sort()
    },
    async again() {
      hasSkipped = false
      await send([...wanted])
    },
  }
}

async function nodeIdentity(client: KubeClient): Promise<string> {
  const list = await client.call<{ items: Live[] | null }>('GET', knownPath('Node'))
  return (list.items ?? [])
    .map(({ metadata }) => `${metadata.name}@${metadata.uid}`)
    .sort()
    .join(' ')
}
