import { posix } from 'node:path'
import { readText, type Engine } from '../docker/engine.ts'

/** Copies the folders of layers, with hard links in place of the bytes: a second or two for a gigabyte is a tenth for its names. */
const script = `set -eu
# Attributes that tell what a layer deletes are seen and set with CAP_SYS_ADMIN only; without it they would be lost without a word.
[ $((0x$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) >> 21 & 1)) = 1 ] || { echo "no CAP_SYS_ADMIN" >&2; exit 1; }
staging=$1; shift
trap '[ $? = 0 ] || rm -rf "$staging"' EXIT
mkdir -p "$(dirname "$staging")"
find "$(dirname "$staging")" -mindepth 1 -maxdepth 1 -mmin +30 -exec rm -rf {} +
mkdir "$staging"
while [ $# -gt 0 ]; do
  mkdir "$staging/$2"
  cp --recursive --link --no-dereference --preserve=mode,ownership,timestamps,xattr "$1/." "$staging/$2/"
  shift 2
done`

/** A folder on a node's own disk, by its two paths. */
export interface Staging {
  inNode: string
  onEngine: string
}

interface Inspected {
  Image: string
  Mounts: { Type: string; Source: string; Destination: string }[]
}

export interface LayerSource {
  folder: string
  /** What its folder in the staging area is called. */
  name: string
}

/**
 * Puts layers of the engine, by hard links, on the disk of a node, in a folder that holds nothing else. They stay what they are when the
 * engine removes its image. Throws where that disk is not within the engine's folder, or not of the same file system.
 */
export async function stageLayers(
  engine: Engine,
  root: string,
  node: string,
  layers: LayerSource[],
  options: { id: string; signal: AbortSignal },
): Promise<string> {
  const container = await engine.json<Inspected>('GET', `/containers/${node}/json`, options)
  const disk = container.Mounts.find(({ Type, Destination }) => Type === 'volume' && Destination === '/var')
  if (disk === undefined) throw new Error(`${node} has no volume at /var`)
  const inNode = `/var/lib/shiv-layers/${options.id}`
  const onEngine = posix.join(disk.Source, inNode.slice('/var'.length))
  const paths = [onEngine, ...layers.map(({ folder }) => folder)].map((path) => seenFrom(root, path))
  const pairs = layers.flatMap(({ name }, index) => [paths[index + 1] ?? '', name])
  await runBeside(engine, container.Image, root, [paths[0] ?? '', ...pairs], options.signal)
  return inNode
}

/** Where the helper sees the engine's folder. */
const mounted = '/engine'

function seenFrom(root: string, path: string): string {
  const inside = posix.relative(root, path)
  if (inside.startsWith('..')) throw new Error(`${path} is not in the engine's folder ${root}`)
  return posix.join(mounted, inside)
}

/** Runs the script in a container of the node's image, which the engine has for certain; it removes itself, whatever happens to us. */
async function runBeside(engine: Engine, image: string, root: string, words: string[], signal: AbortSignal): Promise<void> {
  const { Id } = await engine.json<{ Id: string }>('POST', '/containers/create', {
    signal,
    body: {
      Image: image,
      Entrypoint: ['sh', '-c', script, 'stage'],
      Cmd: words,
      NetworkDisabled: true,
      Tty: true,
      HostConfig: {
        AutoRemove: true,
        Binds: [`${root}:${mounted}`],
        CapAdd: ['SYS_ADMIN'],
        SecurityOpt: ['label=disable'],
        NetworkMode: 'none',
        ReadonlyRootfs: true,
      },
    },
  })
  try {
    const output = await engine.stream('POST', `/containers/${Id}/attach?stream=1&stdout=1&stderr=1`, { signal })
    const end = await engine.stream('POST', `/containers/${Id}/wait?condition=next-exit`, { signal })
    await engine.json('POST', `/containers/${Id}/start`, { signal })
    const [text, ended] = await Promise.all([readText(output), readText(end)])
    const { StatusCode } = JSON.parse(ended) as { StatusCode: number }
    if (StatusCode !== 0) throw new Error(`the layers could not be linked (${StatusCode}): ${text.trim().slice(-300)}`)
  } catch (error) {
    await engine.json('DELETE', `/containers/${Id}?force=true`).catch(() => undefined) // it has removed itself
    throw error
  }
}
