import { cpus, release, totalmem } from 'node:os'
import { bootstrap, bootstrapRatio, type Estimate } from '../../src/bench/statistics.ts'

/** One line of the results: a measure, what it is held against, and what was aimed for. */
export interface Row {
  measure: string
  /** Unit of `samples` and `baseline`. */
  unit: 'ms' | 'µs' | 'MB' | 's/min' | '%' | 'requests' | 'edits' | 'ratio' | 'kB'
  samples: number[]
  /** What the baseline is, and its samples from the same run. */
  baseline?: { name: string; samples: number[] }
  aim: string
  /** Whether the medians meet the aim. */
  met(row: { median: number; baseline: number | undefined; ratio: number | undefined }): boolean
  /** What a reader must know to judge the figure. */
  remark?: string
}

/** Milliseconds that `work` takes, on the monotonic clock. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** Runs the two sides in turn, `count` times each after one uncounted round, swapping who goes first at every round. */
export async function interleave(
  count: number,
  a: () => Promise<number>,
  b: () => Promise<number>,
  warmUps = 1,
): Promise<{ a: number[]; b: number[] }> {
  const samples = { a: [] as number[], b: [] as number[] }
  for (let round = -warmUps; round < count; round++) {
    const order = round % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const)
    for (const side of order) {
      const value = await (side === 'a' ? a() : b())
      if (round >= 0) samples[side].push(value)
    }
  }
  return samples
}

/** The results as a Markdown table, with the machine and the date above it. */
export function renderResults(rows: Row[], when: Date): string {
  const cpu = cpus()[0]?.model.trim() ?? 'unknown CPU'
  const memory = Math.round(totalmem() / 2 ** 30)
  const lines = [
    `Measured ${when.toISOString().slice(0, 10)} on ${cpus().length} cores (${cpu}), ${memory} GiB, Linux ${release()}, Node ${process.versions.node}.`,
    'Medians with 95 % bootstrap intervals in brackets; both sides of a ratio come from the same run, in turn.',
    '',
    '| measure | shiv | baseline | ratio | aim | met |',
    '|---|---|---|---|---|---|',
    ...rows.map(renderRow),
  ]
  const remarks = rows.filter((row) => row.remark !== undefined).map((row) => `- ${row.measure}: ${row.remark}`)
  return [...lines, ...(remarks.length > 0 ? ['', ...remarks] : []), ''].join('\n')
}

function renderRow(row: Row): string {
  const own = bootstrap(row.samples)
  const base = row.baseline && bootstrap(row.baseline.samples)
  const ratio = row.baseline && bootstrapRatio(row.samples, row.baseline.samples)
  const met = row.met({ median: own.value, baseline: base?.value, ratio: ratio?.value })
  return `| ${[
    row.measure,
    `${show(own, row.unit)}, n=${own.count}`,
    row.baseline && base ? `${row.baseline.name}: ${show(base, row.unit)}` : '–',
    ratio ? `${ratio.value.toFixed(2)} [${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)}]` : '–',
    row.aim,
    met ? 'yes' : '**no**',
  ].join(' | ')} |`
}

function show(estimate: Estimate, unit: Row['unit']): string {
  const digits = digitsOf(estimate.value, unit)
  return `${estimate.value.toFixed(digits)} ${unit} [${estimate.low.toFixed(digits)}–${estimate.high.toFixed(digits)}]`
}

function digitsOf(value: number, unit: Row['unit']): number {
  if (unit === 'requests') return value < 100 ? 3 : 0
  if (unit === 'ms') return value < 1 ? 2 : value < 100 ? 1 : 0
  return unit === 'MB' || unit === 'µs' || unit === 'kB' ? 1 : 3
}
