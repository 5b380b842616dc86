import type { Comparison } from '../compare.ts'
import { SAME_WITHIN, percent } from '../compare.ts'
import type { BenchReport } from '../report.ts'
import { nameOf, valuesOf } from '../samples.ts'
import { spanMedians } from '../span-diff.ts'
import type { Trend } from '../trend.ts'
import { box, dot, durationAxis, line, linear, picture, text } from './svg.ts'
import { duration } from './words.ts'

type ReportSeries = BenchReport['series'][number]

const WIDTH = 720

/** Every sample of a measure in the order in which it was taken, a colour for each side, with the medians. */
export function samplePlot(name: string, sides: readonly ReportSeries[]): string {
  const height = 220
  const values = sides.flatMap(valuesOf)
  if (values.length === 0) return ''
  const y = linear([Math.min(...values) * 0.97, Math.max(...values) * 1.03], [height - 24, 12])
  const most = Math.max(...sides.map(({ samples }) => samples.length))
  const x = linear([0, Math.max(1, most - 1)], [84, WIDTH - 16])
  const parts = sides.flatMap((one, index) => {
    const far = new Set(one.summary?.outliers)
    const dots = one.samples.map(({ ms }, order) =>
      dot(
        x(order),
        y(ms),
        `side${index % 4}${far.has(order) ? ' outlier' : ''}`,
        `${one.side} #${order + 1}: ${duration(ms)}`,
        far.has(order) ? 4.5 : 3,
      ),
    )
    const middle = one.summary?.p50.value
    return [...dots, ...(middle === undefined ? [] : [line(78, y(middle), WIDTH - 10, y(middle), `median${index % 4}`)])]
  })
  return picture(`${name}: every sample, in order`, WIDTH, height, [
    ...durationAxis(y, 78, WIDTH - 10),
    ...parts,
    text(WIDTH / 2, height - 4, 'samples in the order in which they were taken', { anchor: 'middle', style: 'small' }),
  ])
}

/** The median time of each span, side below side. Spans that hold others are left to those. */
export function spanPlot(name: string, sides: readonly ReportSeries[]): string {
  const bars = sides.map((one) => ({ side: one.side, spans: leaves(spanMedians(one.samples)) }))
  const names = [...new Set(bars.flatMap(({ spans }) => spans.map(([span]) => span)))]
  if (names.length === 0) return ''
  const most = Math.max(...bars.flatMap(({ spans }) => spans.map(([, ms]) => ms)))
  const x = linear([0, most], [0, WIDTH - 380])
  const row = 16 * bars.length + 10
  const parts = names.flatMap((span, index) => {
    const top = 8 + index * row
    return [
      text(250, top + row / 2, span.length > 40 ? `…${span.slice(-39)}` : span, { anchor: 'end', style: 'small' }),
      ...bars.flatMap(({ side, spans }, at) => {
        const ms = spans.find(([one]) => one === span)?.[1] ?? 0
        return [
          box(260, top + at * 16, x(ms), 12, `side${at % 4}`, `${side}, ${span}: ${duration(ms)}`),
          text(266 + x(ms), top + at * 16 + 10, duration(ms), { style: 'small' }),
        ]
      }),
    ]
  })
  return picture(`${name}: where the time went`, WIDTH, names.length * row + 16, parts)
}

/** Ratios with their intervals around "no difference"; the band is what is called the same. */
export function ratioPlot(comparisons: readonly Comparison[]): string {
  const known = comparisons.filter(({ ratio }) => ratio.interval !== undefined)
  if (known.length === 0) return ''
  const ends = known.flatMap(({ ratio }) => [ratio.interval!.low, ratio.interval!.high])
  const reach = Math.max(0.1, ...ends.map((end) => Math.abs(end - 1))) * 1.15
  const x = linear([1 - reach, 1 + reach], [200, WIDTH - 120])
  const height = known.length * 30 + 36
  return picture('by how much each measure differs', WIDTH, height, [
    box(x(1 - SAME_WITHIN), 6, x(1 + SAME_WITHIN) - x(1 - SAME_WITHIN), height - 30, 'band', 'called the same'),
    line(x(1), 6, x(1), height - 24, 'axis'),
    ...known.flatMap(({ ratio, verdict, ...one }, index) => {
      const y = 24 + index * 30
      const { low, high } = ratio.interval!
      return [
        text(190, y + 4, nameOf(one), { anchor: 'end' }),
        line(x(low), y, x(high), y, `range ${verdict.replace(' ', '-')}`),
        dot(
          x(ratio.value),
          y,
          verdict.replace(' ', '-'),
          `${percent(ratio.value)}, between ${percent(low)} and ${percent(high)}`,
          5,
        ),
        text(WIDTH - 112, y + 4, `${percent(ratio.value)} ${verdict}`, { style: 'small' }),
      ]
    }),
    ...[1 - reach / 1.15, 1, 1 + reach / 1.15].map((value) =>
      text(x(value), height - 6, value === 1 ? 'no difference' : percent(value), { anchor: 'middle', style: 'small' }),
    ),
  ])
}

/** Medians over runs, with the levels between steps and the commit of each step. */
export function trendPlot({ points, steps, ...name }: Trend): string {
  const height = 240
  const values = points.map(({ ms }) => ms)
  const y = linear([Math.min(...values) * 0.95, Math.max(...values) * 1.05], [height - 40, 16])
  const x = linear([0, Math.max(1, points.length - 1)], [84, WIDTH - 16])
  const edges = steps.map(({ after }) => points.indexOf(after))
  return picture(`${nameOf(name)}: medians over runs`, WIDTH, height, [
    ...durationAxis(y, 78, WIDTH - 10),
    ...points.slice(1).map((point, index) => line(x(index), y(points[index]!.ms), x(index + 1), y(point.ms), 'trend')),
    ...points.map(({ ms, at, commit }, index) =>
      dot(x(index), y(ms), 'side0', `${new Date(at).toISOString().slice(0, 16)} ${commit?.slice(0, 7) ?? ''}: ${duration(ms)}`),
    ),
    ...steps.flatMap(({ after, beforeMs, afterMs }, index) => {
      const at = edges[index]!
      return [
        line(x(at - 0.5), 10, x(at - 0.5), height - 34, 'step'),
        text(
          x(at - 0.5),
          height - 22 + (index % 2) * 14,
          `${after.commit?.slice(0, 7) ?? 'step'} ${percent(afterMs / beforeMs)}`,
          { anchor: 'middle', style: 'small' },
        ),
      ]
    }),
  ])
}

function leaves(medians: ReadonlyMap<string, number>): [string, number][] {
  const names = [...medians.keys()]
  return [...medians].filter(([name, ms]) => ms > 0 && !names.some((other) => other.startsWith(`${name} › `)))
}
