/** Longest line a daemon takes: a request carries the caller's environment, which the kernel bounds far below this. */
export const REQUEST_LIMIT = 8 * 1024 * 1024
/** Longest line a client takes: a Plan of a big workspace. */
export const RESPONSE_LIMIT = 64 * 1024 * 1024

/**
 * Feeds chunks of text in, gets whole lines out, without their newline; empty lines are skipped.
 * A line longer than `limit` characters calls `onOverflow` once and ends the feeding.
 */
export function createLineSplitter(
  limit: number,
  onLine: (line: string) => void,
  onOverflow: () => void,
): (chunk: string) => void {
  let rest = ''
  let over = false
  return (chunk) => {
    if (over) return
    let start = 0
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      const line = rest + chunk.slice(start, end)
      rest = ''
      start = end + 1
      if (line.trim() !== '') onLine(line)
    }
    rest += chunk.slice(start)
    if (rest.length > limit) {
      over = true
      rest = ''
      onOverflow()
    }
  }
}
