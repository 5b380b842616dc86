import type { Span } from '../bench/samples.ts'
import type { Loop } from '../wire/messages.ts'

/** The spans of a loop, which follow one another. */
export function loopSpans({ spans }: Loop): Span[] {
  let at = 0
  return spans.map(({ name, ms }) => {
    const span = { name, startMs: at, ms }
    at += ms
    return span
  })
}
