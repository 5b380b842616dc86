import type { Engine } from '../docker/engine.ts'

/** Published by kind for its releases; a minor that is not here is asked for with patch 0. */
const published: Record<string, string> = { '1.31': '1.31.12', '1.32': '1.32.8', '1.33': '1.33.4', '1.34': '1.34.0' }

/**
 * The node image for a Kubernetes minor version: `SHIV_KIND_NODE_IMAGE` where it is set, else the newest patch of
 * `kindest/node` that the host has, else the published one, which kind then pulls.
 */
export async function chooseNodeImage(
  engine: Engine,
  kubernetes: string,
  environment: NodeJS.ProcessEnv,
): Promise<{ image: string; onHost: boolean }> {
  const own = environment['SHIV_KIND_NODE_IMAGE']
  const filters = encodeURIComponent(JSON.stringify({ reference: [own ?? 'kindest/node'] }))
  const images = await engine.json<{ RepoTags: string[] | null }[]>('GET', `/images/json?filters=${filters}`)
  if (own) return { image: own, onHost: images.length > 0 }
  const minor = minorOf(kubernetes)
  const tags = images.flatMap((image) => image.RepoTags ?? []).filter((tag) => tag.startsWith(`kindest/node:v${minor}.`))
  const newest = tags.toSorted((a, b) => patchOf(b) - patchOf(a))[0]
  if (newest !== undefined) return { image: newest, onHost: true }
  return { image: `kindest/node:v${published[minor] ?? `${minor}.0`}`, onHost: false }
}

/** `1.34` of `v1.34.4` or `1.34`. */
export function minorOf(version: string): string {
  return /(\d+\.\d+)/.exec(version)?.[1] ?? version
}

function patchOf(tag: string): number {
  return Number(/v\d+\.\d+\.(\d+)/.exec(tag)?.[1] ?? 0)
}
