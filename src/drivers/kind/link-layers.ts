import { randomUUID } from 'node:crypto'
import type { Engine } from '../docker/engine.ts'
import { findLayerRoot } from './engine-layers.ts'
import type { HostImage } from './host-image.ts'
import { importArchive } from './import.ts'
import { chainIds, type NodeLayers, type NodeStore } from './node-store.ts'
import { ociArchive } from './oci-archive.ts'
import { stageLayers } from './stage-links.ts'

/**
 * Makes containerd's own snapshots of the staged folders, then takes the images that lie on them. What was made for it meanwhile is not
 * garbage to containerd until the images hold it. It goes on to its end when the one who asked is gone.
 */
const script = `set -eu
staging=$1 id=$2; shift 2
ctr() { command ctr -n k8s.io "$@"; }
key=
trap 'rm -rf "$staging"; [ -z "$key" ] || ctr snapshots rm "$key" || true' EXIT
made=
while [ $# -gt 0 ]; do
  chain=$1 parent=$2 name=$3; shift 3
  key="shiv-$id-$name"
  folder=$(ctr snapshots prepare --mounts "$key" $parent | grep -o '/[^",]*/fs' | head -n 1)
  rmdir "$folder"
  mv "$staging/$name" "$folder"
  if ctr snapshots commit "$chain" "$key"; then made="$made $chain"; key=
  else ctr snapshots info "$chain" >/dev/null; ctr snapshots rm "$key"; key=
  fi
done
ctr images import --all-platforms -
for chain in $made; do ctr snapshots label "$chain" containerd.io/gc.root= >/dev/null; done`

interface MissingChain {
  chain: string
  parent: string
  folder: string
}

/**
 * Brings images to nodes without moving a byte of their layers: what the engine has unpacked becomes, by hard links, what the node's
 * containerd has unpacked. Returns false where the engine does not keep layers in that form. Throws when it should have worked.
 */
export async function linkImages(
  images: HostImage[],
  nodes: { store: NodeStore; layers: NodeLayers }[],
  options: { engine: Engine; signal: AbortSignal; onBytes(count: number): void },
): Promise<boolean> {
  const { engine, signal, onBytes } = options
  if (images.some(({ folders }) => folders.length === 0)) return false
  const root = await findLayerRoot(engine)
  if (root === undefined) return false
  await Promise.all(
    nodes.map(async ({ store, layers }) => {
      const chains = missingChains(images, layers)
      const id = randomUUID().slice(0, 8)
      const sources = chains.map(({ folder }, index) => ({ folder, name: String(index) }))
      const staging = await stageLayers(engine, root, store.node, sources, { id, signal })
      const words = chains.flatMap(({ chain, parent }, index) => [chain, parent, String(index)])
      const command = ['sh', '-c', script, 'link', staging, id, ...words]
      await importArchive(engine, [store.node], ociArchive(images, new Map(), layers), { signal, onBytes, command })
    }),
  )
  return true
}

/** Stacks of layers that a node has not unpacked, each after the one below it; images that share a base share its stack. */
export function missingChains(images: HostImage[], node: NodeLayers): MissingChain[] {
  const missing = new Map<string, MissingChain>()
  for (const { diffIds, folders } of images) {
    chainIds(diffIds).forEach((chain, index, chains) => {
      if (node.snapshots.has(chain) || missing.has(chain)) return
      missing.set(chain, { chain, parent: chains[index - 1] ?? '', folder: folders[index] ?? '' })
    })
  }
  return [...missing.values()]
}
