/** The steps of a JSON Pointer (RFC 6901). Throws when it is not empty and does not start with a slash. */
export function pointerSteps(pointer: string): string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/')) throw new Error(`a JSON Pointer starts with a slash, not: ${pointer}`)
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** One step, escaped for a JSON Pointer. */
export function pointerStep(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** What the pointer leads to, or `undefined`. */
export function getPointer(root: unknown, pointer: string): unknown {
  let value = root
  for (const step of pointerSteps(pointer)) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string, unknown>)[step]
  }
  return value
}

/** Sets what the pointer leads to; objects on the way are made where they are missing. */
export function setPointer(root: object, pointer: string, value: unknown): void {
  const steps = pointerSteps(pointer)
  const last = steps.pop()
  if (last === undefined) throw new Error('a whole object is not set through a pointer')
  let place = root as Record<string, unknown>
  for (const step of steps) place = (place[step] ??= {}) as Record<string, unknown>
  place[last] = value
}
