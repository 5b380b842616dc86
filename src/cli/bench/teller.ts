import { formatDuration } from '../../core/duration.ts'
import type { Terminal } from '../terminal.ts'
import type { Teller } from './measures.ts'

/** Lines on stderr, so that stdout is the report alone; on a terminal the count goes on in its line. */
export function stderrTeller({ err, errStyle, isTTY }: Terminal): Teller {
  let name = ''
  const redraws = isTTY && process.stderr.isTTY
  return {
    begin(next) {
      name = next
      err(errStyle.dim(`${next} …\n`))
    },
    sampled(count, ms) {
      if (redraws) err(`\r${errStyle.dim(`  ${count} samples, the last ${formatDuration(ms)}`)}\x1b[K`)
    },
    end(series) {
      const [first] = series
      if (redraws) err('\r\x1b[K')
      err(errStyle.dim(`  ${name}: ${first?.samples.length ?? 0} samples a side, ${first?.ended ?? 'none'}\n`))
    },
  }
}
