import type { Duplex } from 'node:stream'

/** Resolves when a stream takes more again, or is closed. */
export function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      stream.removeListener('drain', settle)
      stream.removeListener('close', settle)
      resolve()
    }
    stream.once('drain', settle)
    stream.once('close', settle)
  })
}
