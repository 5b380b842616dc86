import { median } from '../statistics.ts'

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
const ASCII = ['_', '.', '-', '=', '+', '*', '%', '#']

/** Values as a line of blocks from the smallest to the largest; where there are more than `columns`, each block is the median of its neighbours. */
export function sparkline(values: readonly number[], { columns = 24, unicode = true } = {}): string {
  if (values.length === 0) return ''
  const count = Math.min(columns, values.length)
  const shown = Array.from({ length: count }, (_, index) =>
    median(values.slice(Math.floor((index * values.length) / count), Math.floor(((index + 1) * values.length) / count))),
  )
  const [low, high] = [Math.min(...shown), Math.max(...shown)]
  const marks = unicode ? BLOCKS : ASCII
  return shown
    .map(
      (value) => marks[high === low ? 0 : Math.min(marks.length - 1, Math.floor(((value - low) / (high - low)) * marks.length))],
    )
    .join('')
}
