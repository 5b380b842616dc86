import { visibleWidth } from './style.ts'

export interface TableOptions {
  /** Spaces before each line. */
  indent?: number
  /** Spaces between two columns. */
  gap?: number
  /** Columns, by index, whose cells stand at the right edge. */
  right?: number[]
  /** Applied to the first row after its width was taken. */
  header?: (text: string) => string
}

/**
 * Lays rows out in columns, one line a row, without trailing spaces. Cells may carry colour codes. Columns in which every
 * cell below the header is empty are left out.
 */
export function renderTable(rows: string[][], options: TableOptions = {}): string[] {
  const { indent = 0, gap = 2, right = [], header } = options
  const body = header ? rows.slice(1) : rows
  const count = Math.max(0, ...rows.map((row) => row.length))
  const shown = Array.from({ length: count }, (_, column) => column).filter((column) => body.some((row) => row[column]))
  const widths = shown.map((column) => Math.max(...rows.map((row) => visibleWidth(row[column] ?? ''))))
  return rows.map((row, index) => {
    const cells = shown.map((column, position) => {
      const cell = row[column] ?? ''
      const padding = ' '.repeat((widths[position] ?? 0) - visibleWidth(cell))
      return right.includes(column) ? padding + cell : cell + padding
    })
    const line = ' '.repeat(indent) + cells.join(' '.repeat(gap)).trimEnd()
    return header && index === 0 ? header(line) : line
  })
}
