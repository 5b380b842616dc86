import { mulberry32, shuffled } from './random.ts'
import { median } from './statistics.ts'

/** A place in a series where its level stepped. */
export interface ChangePoint {
  /** Index of the first value of the new level. */
  index: number
  /** Of the permutation test. */
  p: number
  /** Medians of the levels before and after, to the next change points. */
  before: number
  after: number
}

const PERMUTATIONS = 999
/** Fewer values on a side make no level. */
const LEAST = 3

/**
 * Where a series stepped: the split that Pettitt's statistic (1979, on ranks, so that single outliers count little) finds, judged by a
 * permutation test; then both parts again (binary segmentation, Vostrikova 1981). `alpha` is the chance of any false alarm on a series
 * without a step: each part is tested at the share that its length has of the whole. Levels that differ by less than `least` as a part are no step.
 */
export function changePoints(
  series: readonly number[],
  { alpha = 0.05, least = 0 }: { alpha?: number; least?: number } = {},
): ChangePoint[] {
  const random = mulberry32(0x57e9)
  const found: { index: number; p: number }[] = []
  const search = (from: number, to: number, level: number): void => {
    if (to - from < 2 * LEAST) return
    const ranks = rank(series.slice(from, to))
    const split = strongestSplit(ranks)
    if (split.strength === 0) return
    let reached = 1
    for (let i = 0; i < PERMUTATIONS; i += 1) if (strongestSplit(shuffled(ranks, random)).strength >= split.strength) reached += 1
    const p = reached / (PERMUTATIONS + 1)
    if (p > level) return
    const index = from + split.index
    found.push({ index, p })
    search(from, index, (level * (index - from)) / (to - from))
    search(index, to, (level * (to - index)) / (to - from))
  }
  search(0, series.length, alpha)
  return levels(
    series,
    found.sort((a, b) => a.index - b.index),
    least,
  )
}

/** The changes with the medians of their levels; one between levels that hardly differ is dropped, and the levels around it are one. */
function levels(series: readonly number[], found: { index: number; p: number }[], least: number): ChangePoint[] {
  const edges = [0, ...found.map(({ index }) => index), series.length]
  const points = found.map(({ index, p }, position) => ({
    index,
    p,
    before: median(series.slice(edges[position], index)),
    after: median(series.slice(index, edges[position + 2])),
  }))
  const weakest = points.findIndex(({ before, after }) => Math.abs(after - before) < least * Math.abs(before))
  return weakest === -1 ? points : levels(series, found.toSpliced(weakest, 1), least)
}

/** The split at which ranks before and after differ most: |2·Σranks − k·(n+1)|, Pettitt's K with mid-ranks. */
function strongestSplit(ranks: readonly number[]): { index: number; strength: number } {
  const n = ranks.length
  let sum = 0
  let best = { index: 0, strength: 0 }
  for (let k = 1; k <= n - LEAST; k += 1) {
    sum += ranks[k - 1]!
    const strength = Math.abs(2 * sum - k * (n + 1))
    if (k >= LEAST && strength > best.strength) best = { index: k, strength }
  }
  return best
}

function rank(values: readonly number[]): number[] {
  const order = values.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value)
  const ranks = Array.from<number>({ length: values.length })
  for (let start = 0; start < order.length;) {
    let end = start
    while (end < order.length && order[end]!.value === order[start]!.value) end += 1
    for (let at = start; at < end; at += 1) ranks[order[at]!.index] = (start + 1 + end) / 2
    start = end
  }
  return ranks
}
