import type { BenchReport, Side } from '../report.ts'
import type { Estimate } from '../statistics.ts'

/** Milliseconds for people; tenths below 100, hundredths below 1, seconds above ten of them. */
export function duration(ms: number): string {
  if (ms >= 9_950) return `${(ms / 1_000).toFixed(1)} s`
  return `${ms.toFixed(ms < 0.995 ? 2 : ms < 99.5 ? 1 : 0)} ms`
}

/** `35.2 ms [33.8–37.5]`. */
export function estimate({ value, low, high }: Estimate): string {
  const unit = value >= 9_950 ? 's' : 'ms'
  const digits = unit === 's' ? 1 : value < 0.995 ? 2 : value < 99.5 ? 1 : 0
  const scaled = (number: number): string => (unit === 's' ? number / 1_000 : number).toFixed(digits)
  return `${scaled(value)} ${unit} [${scaled(low)}–${scaled(high)}]`
}

/** `main (9f8e7d6)`, `here (1a2b3c4 with changes)`. */
export function sideText({ name, commit, isDirty }: Side): string {
  if (commit === undefined) return name
  return `${name} (${commit.slice(0, 7)}${isDirty ? ' with changes' : ''})`
}

/** One line about what was measured, where. */
export function headline({ workspace, runtime, machine, sides }: BenchReport): string {
  const [first, ...others] = sides.map(sideText)
  const against = others.length > 0 ? ` against ${others.join(' and ')}` : ''
  const memory = Math.round(machine.memoryBytes / 2 ** 30)
  return `${workspace} on ${runtime}: ${first ?? 'nothing'}${against}; ${machine.cores} cores, ${machine.cpu}, ${memory} GiB, load ${machine.load.toFixed(1)}`
}

/** The p-value as people write it. */
export function probability(p: number): string {
  return p < 0.0001 ? 'p < 0.0001' : `p = ${p.toPrecision(2)}`
}
