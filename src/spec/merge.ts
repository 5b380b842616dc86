import type { Entry, MapTree, Tree } from './tree.ts'

/** The file as it is in an environment: its overrides merged in deeply, lists replaced, positions kept. */
export function inEnvironment(tree: MapTree, environment: string): MapTree {
  const overrides = tree.entries.get('environments')?.value
  const override = overrides?.kind === 'map' ? overrides.entries.get(environment)?.value : undefined
  const base: MapTree = { ...tree, entries: new Map([...tree.entries].filter(([key]) => key !== 'environments')) }
  return override?.kind === 'map' ? (merge(base, override, []) as MapTree) : base
}

/** The same in every environment. */
const FIXED = new Set(['name', 'language', 'environments'])

function merge(base: Tree, override: Tree, path: string[]): Tree {
  if (base.kind !== 'map' || override.kind !== 'map' || isReplaced(override, path)) return override
  const entries = new Map<string, Entry>(base.entries)
  // The shorthand and the long form of ports stand for each other.
  if (path.length === 0 && override.entries.has('ports')) entries.delete('port')
  if (path.length === 0 && override.entries.has('port')) entries.delete('ports')
  for (const [key, entry] of override.entries) {
    if (path.length === 0 && FIXED.has(key)) continue
    const before = entries.get(key)
    entries.set(key, before === undefined ? entry : { key: entry.key, value: merge(before.value, entry.value, [...path, key]) })
  }
  return { ...base, entries }
}

/** An env entry has one source, and a build has one kind: merged they would have two. */
function isReplaced(override: MapTree, path: string[]): boolean {
  if (path[0] === 'env') return path.length === 2
  return path[0] === 'build' && path.length === 1 && (override.entries.has('image') || override.entries.has('dockerfile'))
}
