import { EngineError, type Engine } from './engine.ts'

/** Only images with this label are ever removed; its value is the workspace's name. */
export const ownerLabel = 'dev.shiv.workspace'

export interface Collection {
  /** References that stay. */
  keep: string[]
  /** Only images of this workspace; all that are shiv's when absent. */
  workspace?: string
}

/**
 * Removes images that shiv built and that `keep` does not name. An image that a container still uses stays.
 *
 * @returns References that were removed.
 */
export async function collectHostImages(engine: Engine, { keep, workspace }: Collection): Promise<string[]> {
  const label = workspace === undefined ? ownerLabel : `${ownerLabel}=${workspace}`
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
  const images = await engine.json<{ Id: string; RepoTags: string[] | null }[]>('GET', `/images/json?filters=${filters}`)
  const removed: string[] = []
  for (const image of images) {
    const tags = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>')
    // A name that is not ours was given by somebody else, on purpose.
    const old = tags.filter((tag) => tag.startsWith('shiv.local/') && !keep.includes(tag))
    for (const name of tags.length === 0 ? [image.Id] : old) {
      if (await removeImage(engine, name)) removed.push(name)
    }
  }
  return removed
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
