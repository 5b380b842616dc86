/** Puts a request's path where the upstream has it, and an answer's back. */
export interface PathMap {
  out(target: string): string
  back(target: string): string
}

/** `rules` replace the first prefix that fits, on a border of the path's parts; `base` is the path of the upstream's URL. */
export function createPathMap(rules: readonly { from: string; to: string }[], base: string): PathMap {
  const pairs = rules.map(({ from, to }) => ({ from: trimmed(from), to: trimmed(to) }))
  const root = trimmed(base)
  if (pairs.length === 0 && root === '') return { out: same, back: same }
  return {
    out(target) {
      if (target === '*') return target
      for (const { from, to } of pairs) {
        const moved = replaced(target, from, to)
        if (moved !== undefined) return root + moved
      }
      return root + target
    },
    back(target) {
      const inside = replaced(target, root, '')
      if (inside === undefined) return target
      for (const { from, to } of pairs) {
        const moved = replaced(inside, to, from)
        if (moved !== undefined) return moved
      }
      return inside
    },
  }
}

function replaced(target: string, from: string, to: string): string | undefined {
  if (!target.startsWith(from)) return undefined
  const rest = target.slice(from.length)
  if (rest !== '' && rest[0] !== '/' && rest[0] !== '?' && rest[0] !== '#') return undefined
  return rest[0] === '/' ? to + rest : `${to === '' ? '/' : to}${rest}`
}

/** A prefix without the slash at its end: the rest of a path brings it. */
function trimmed(path: string): string {
  return path.replace(/\/+$/, '')
}

function same(target: string): string {
  return target
}
