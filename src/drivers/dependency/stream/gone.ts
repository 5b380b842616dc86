import type { Duplex } from 'node:stream'

/** A signal that aborts when the connection closes or `closed` aborts; `release` leaves no listener behind. */
export function abortWhenClosed(side: Duplex, closed: AbortSignal): { signal: AbortSignal; release(): void } {
  const gone = new AbortController()
  const leave = (): void => gone.abort(new Error('the client is gone'))
  side.once('close', leave)
  closed.addEventListener('abort', leave, { once: true })
  if (side.destroyed || closed.aborted) leave()
  return {
    signal: gone.signal,
    release() {
      side.removeListener('close', leave)
      closed.removeEventListener('abort', leave)
    },
  }
}
