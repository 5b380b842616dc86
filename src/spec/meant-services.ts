import { isInside } from './inside.ts'

/** What was named; else the service whose folder `place` is in, the innermost; else all. Paths are real ones. */
export function meantServices(
  named: readonly string[],
  place: string,
  { workspace, services }: { workspace: { root: string }; services: readonly { name: string; root: string }[] },
): string[] {
  if (named.length > 0) return [...named]
  const inside = services
    .filter(({ root }) => root !== workspace.root && isInside(root, place))
    .sort((a, b) => b.root.length - a.root.length)
  return inside[0] ? [inside[0].name] : services.map(({ name }) => name)
}
