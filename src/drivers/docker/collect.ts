import { EngineError, type Engine } from './engine.ts'

/** Only images with this label are ever removed; its value is the workspace's name. */
export const ownerLabel = 'dev.shiv.workspace'

export interface Collection {
  /** References that stay. */
  keep: string[]
  /** Only images of this workspace; all that are shiv's when absent. */
  workspace?: string
  /** Only images of these repositories. */
  repositories?: string[]
  /** How many of the newest of each repository stay beside `keep`, so that an edit taken back needs no build; default 0. */
  spare?: number
}

/**
 * Removes images that shiv built and that `keep` does not name. An image that a container still uses stays.
 *
 * @returns References that were removed.
 */
export async function collectHostImages(engine: Engine, collection: Collection): Promise<string[]> {
  const { keep, workspace, repositories, spare = 0 } = collection
  const label = workspace === undefined ? ownerLabel : `${ownerLabel}=${workspace}`
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
  const images = await engine.json<HostImage[]>('GET', `/images/json?filters=${filters}`)
  const stay = new Set([...keep, ...newest(images, spare)])
  const removed: string[] = []
  for (const image of images) {
    const tags = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>')
    // A name that is not ours was given by somebody else, on purpose.
    const old = tags.filter((tag) => tag.startsWith('shiv.local/') && isWithin(tag, repositories) && !stay.has(tag))
    for (const name of tags.length === 0 && repositories === undefined ? [image.Id] : old) {
      if (await removeImage(engine, name)) removed.push(name)
    }
  }
  return removed
}

interface HostImage {
  Id: string
  RepoTags: string[] | null
  /** Seconds since the epoch. */
  Created: number
}

function isWithin(tag: string, repositories: string[] | undefined): boolean {
  return repositories === undefined || repositories.includes(repositoryOf(tag))
}

/** Names of the newest `count` images of each repository. */
function newest(images: HostImage[], count: number): string[] {
  const seen = new Map<string, number>()
  const tags = images.toSorted((a, b) => b.Created - a.Created).flatMap(({ RepoTags }) => RepoTags ?? [])
  return tags.filter((tag) => {
    const rank = seen.get(repositoryOf(tag)) ?? 0
    seen.set(repositoryOf(tag), rank + 1)
    return rank < count
  })
}

function repositoryOf(tag: string): string {
  return tag.slice(0, tag.lastIndexOf(':'))
}

async function removeImage(engine: Engine, name: string): Promise<boolean> {
  try {
    await engine.json('DELETE', `/images/${name}`)
    return true
  } catch (error) {
    if (error instanceof EngineError && (error.status === 404 || error.status === 409)) return false // gone already, or in use
    throw error
  }
}
