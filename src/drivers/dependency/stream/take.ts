import type { Duplex } from 'node:stream'

/**
 * Takes exactly `count` bytes off a stream that nobody else reads yet; what comes behind them stays in it. Rejects when it ends before, with
 * the signal's reason when that aborts.
 */
export function take(stream: Duplex, count: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      stream.removeListener('readable', look)
      stream.removeListener('close', end)
      stream.removeListener('error', fail)
      signal.removeEventListener('abort', abort)
    }
    const fail = (error: Error): void => {
      settle()
      reject(error)
    }
    const end = (): void => fail(new Error('the connection was closed'))
    const abort = (): void => fail(signal.reason as Error)
    const look = (): void => {
      const bytes = stream.read(count) as Buffer | null
      if (bytes !== null && bytes.length === count) {
        settle()
        resolve(bytes)
      } else if (bytes !== null || stream.readableEnded || stream.destroyed) end()
    }
    if (signal.aborted) return reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    stream.on('readable', look)
    stream.once('close', end)
    stream.once('error', fail)
    if (stream.errored) return fail(stream.errored)
    look()
  })
}
