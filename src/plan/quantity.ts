const FACTORS: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/** A Kubernetes quantity as a number of its unit (cores, bytes), or `undefined` when the text is none. */
export function quantityValue(text: string): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/.exec(text)
  if (!match) return undefined
  return Number(match[1]) * (FACTORS[match[2] ?? ''] ?? 1)
}

/** Whether two texts mean the same quantity: `1` and `1000m`, `1Gi` and `1024Mi`. */
export function isSameQuantity(a: unknown, b: unknown): boolean {
  if (!['string', 'number'].includes(typeof a) || !['string', 'number'].includes(typeof b)) return false
  const [left, right] = [quantityValue(String(a)), quantityValue(String(b))]
  if (left === undefined || right === undefined) return false
  return Math.abs(left - right) <= 1e-9 * Math.max(Math.abs(left), Math.abs(right))
}
