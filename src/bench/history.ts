import type { MachineFacts } from './machine.ts'
import type { BenchReport, Side } from './report.ts'
import type { Sample } from './samples.ts'

/** One side of one run, as history keeps it: a line of JSON in the file of its machine class. Nothing is rounded and no sample left out. */
export interface HistoryEntry {
  version: 1
  /** Of the run, and the side in it; unique over machines. */
  id: string
  /** Epoch milliseconds. */
  at: number
  shiv: string
  workspace: string
  runtime: string
  /** Of the working copy or the commit that was measured. */
  side: Side
  /** It was measured only for another side to be held against. */
  isBase: boolean
  machine: MachineFacts & { class: string }
  series: { measure: string; of: string; samples: Sample[]; ended: string }[]
  isInterrupted: boolean
}

export interface HistoryFile {
  /** In the order of time, each run once. */
  entries: HistoryEntry[]
  /** Lines that are no entry: the half line of a machine that lost its power. */
  damaged: string[]
}

/** The sides of a report that were measured in it, one entry each. */
export function entriesOf(report: BenchReport): HistoryEntry[] {
  const { id, shiv, workspace, runtime, machine, isInterrupted } = report
  return report.sides.flatMap((side, index) => {
    const series = report.series.filter((one) => one.side === side.name && one.samples.length > 0)
    // A side that was read from a file or from history is there already.
    if (series.length === 0 || side.measuredAt < report.startedAt) return []
    return {
      version: 1,
      id: `${id}/${side.name}`,
      at: side.measuredAt,
      shiv,
      workspace,
      runtime,
      side,
      isBase: index > 0,
      machine,
      series: series.map(({ measure, of, samples, ended }) => ({ measure, of, samples, ended })),
      isInterrupted,
    } satisfies HistoryEntry
  })
}

/** The line of an entry, without its end. */
export function historyLine(entry: HistoryEntry): string {
  return JSON.stringify(entry)
}

/**
 * Reads history. Lines are independent, so files of one class merge by putting one behind the other: an entry that is there twice counts once, and their
 * order is that of time. What is no entry is handed back as it stood.
 */
export function parseHistory(text: string): HistoryFile {
  const entries = new Map<string, HistoryEntry>()
  const damaged: string[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const entry = parseEntry(line)
    if (entry) entries.set(entry.id, entry)
    else damaged.push(line)
  }
  return { entries: [...entries.values()].sort((a, b) => a.at - b.at), damaged }
}

function parseEntry(line: string): HistoryEntry | undefined {
  try {
    const value = JSON.parse(line) as Partial<HistoryEntry> | null
    const isEntry =
      value?.version === 1 &&
      typeof value.id === 'string' &&
      typeof value.at === 'number' &&
      typeof value.workspace === 'string' &&
      typeof value.side?.name === 'string' &&
      typeof value.machine?.class === 'string' &&
      Array.isArray(value.series)
    return isEntry ? (value as HistoryEntry) : undefined
  } catch {
    return undefined // half a line
  }
}
