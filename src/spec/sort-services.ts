import type { Fault } from '../core/errors.ts'
import type { Resolved } from './references.ts'
import { faultAt } from './source.ts'
import { valueSpan } from './tree.ts'

/** Each service after those it depends on, otherwise in the order given. Each cycle is one fault that shows its way round. */
export function sortByDependency(all: Resolved[], faults: Fault[]): Resolved[] {
  const byName = new Map(all.map((resolved) => [resolved.service.name, resolved]))
  const sorted = new Set<Resolved>()
  const way: Resolved[] = []
  const visit = (resolved: Resolved) => {
    if (sorted.has(resolved)) return
    way.push(resolved)
    for (const [index, name] of (resolved.draft.data.dependencies ?? []).entries()) {
      const next = typeof name === 'string' ? byName.get(name) : undefined
      if (next === undefined) continue
      if (!way.includes(next)) {
        visit(next)
        continue
      }
      const cycle = [...way.slice(way.indexOf(next)), next].map(({ service }) => service.name).join(' -> ')
      const span = valueSpan(resolved.draft.tree, ['dependencies', index])
      const hint = 'remove one of these dependencies; to know an address is no dependency: use from: service.NAME.url'
      faults.push(
        faultAt(span, { code: 'SPEC_DEPENDENCY_CYCLE', message: `services depend on each other in a circle: ${cycle}`, hint }),
      )
    }
    way.pop()
    sorted.add(resolved)
  }
  for (const resolved of all) visit(resolved)
  return [...sorted]
}
