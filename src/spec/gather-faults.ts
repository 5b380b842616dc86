import type { Fault } from '../core/errors.ts'

const MAX_SHOWN = 100

/** Each fault once, by file and position; past a hundred only that there are more. */
export function gatherFaults(faults: Fault[]): Fault[] {
  const unique = [...new Map(faults.map((fault) => [keyOf(fault), fault])).values()]
  const sorted = unique.toSorted(
    (a, b) =>
      compare(a.file ?? '', b.file ?? '') ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0) ||
      compare(a.code, b.code),
  )
  if (sorted.length <= MAX_SHOWN) return sorted
  return [
    ...sorted.slice(0, MAX_SHOWN),
    { code: 'SPEC_MORE', message: 'and more faults', hint: 'mend the first ones and run it again' },
  ]
}

function keyOf({ file, line, column, code, message }: Fault): string {
  return JSON.stringify([file, line, column, code, message])
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
