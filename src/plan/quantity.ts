import { parseQuantity } from '../spec/quantity.ts'

/** Whether two texts mean the same quantity: `1` and `1000m`, `1Gi` and `1024Mi`. */
export function isSameQuantity(a: unknown, b: unknown): boolean {
  if (!['string', 'number'].includes(typeof a) || !['string', 'number'].includes(typeof b)) return false
  const [left, right] = [parseQuantity(String(a)), parseQuantity(String(b))]
  if (left === undefined || right === undefined) return false
  return Math.abs(left - right) <= 1e-9 * Math.max(Math.abs(left), Math.abs(right))
}
