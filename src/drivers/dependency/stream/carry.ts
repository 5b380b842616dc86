import type { Duplex } from 'node:stream'
import { reset } from './relay.ts'

/** Two sides whose protocol is looked into. */
export interface Carried {
  client: Duplex
  upstream: Duplex
  /** Reads what the client sent, and writes to the upstream what passes. May throw what `dismiss` knows. */
  forward(chunk: Buffer): void
  /** The same the other way. */
  back(chunk: Buffer): void
  /** How long the upstream may leave bytes untaken. */
  writeMs: number
  /** Aborts when the connection is to end as soon as it is idle. */
  retired: AbortSignal
  /** Nothing is under way, and no transaction open. */
  isIdle(): boolean
  /** The last words to the client for something thrown; undefined for a defect, with which the promise rejects. */
  dismiss(error: unknown): Buffer | undefined
  /** What client and upstream are told when the connection is retired. */
  farewell(): { client: Buffer; upstream: Buffer } | undefined
  /** Called once. `by` broke it off while something was under way. */
  ended(by: 'client' | 'upstream' | undefined, cause: string): void
  /** The upstream closed an idle connection. */
  left(): void
}

/** How long a client may take to close when its connection is over. */
const LINGER_MS = 5_000

/** Carries both directions with back-pressure until either side ends. Resolves when it is over; rejects for a defect, with the upstream closed. */
export function carryBothWays(carried: Carried): Promise<void> {
  const { client, upstream, writeMs, retired, isIdle } = carried
  return new Promise((resolve, reject) => {
    let stall: NodeJS.Timeout | undefined
    let isOver = false
    // Asked for each piece; a signal takes longer to say so.
    let isRetired = retired.aborted
    const end = (by: 'client' | 'upstream' | undefined, cause: string): void => {
      if (isOver) return
      isOver = true
      clearTimeout(stall)
      retired.removeEventListener('abort', retire)
      carried.ended(by, cause)
      if (by === 'client') reset(upstream)
      else upstream.end()
      upstream.resume()
      client.end()
      client.resume()
      setTimeout(() => {
        client.destroy()
        upstream.destroy()
      }, LINGER_MS).unref()
      resolve()
    }
    const retire = (): void => {
      isRetired = true
      if (!isIdle() || isOver) return
      const words = carried.farewell()
      if (words) {
        client.write(words.client)
        upstream.write(words.upstream)
      }
      end(undefined, 'the dependency leads elsewhere')
    }
    /** The client is left to whoever hears of it. */
    const broken = (error: Error): void => {
      isOver = true
      clearTimeout(stall)
      retired.removeEventListener('abort', retire)
      upstream.destroy()
      reject(error)
    }
    const carry = (work: (chunk: Buffer) => void, from: Duplex, to: Duplex) => (chunk: Buffer) => {
      if (isOver) return
      try {
        work(chunk)
      } catch (error) {
        const words = carried.dismiss(error)
        if (words === undefined) return broken(error as Error)
        client.write(words)
        return end('client', (error as Error).message)
      }
      if (isRetired) retire()
      if (!to.writableNeedDrain || to.destroyed) return
      from.pause()
      if (to === upstream) {
        stall ??= setTimeout(() => {
          upstream.destroy()
          end('upstream', `it took no bytes for ${writeMs / 1_000} s`)
        }, writeMs)
      }
    }
    upstream.on('drain', () => {
      clearTimeout(stall)
      stall = undefined
      client.resume()
    })
    client.on('drain', () => upstream.resume())
    client.on('data', carry(carried.forward, client, upstream))
    upstream.on('data', carry(carried.back, upstream, client))
    client.once('end', () => upstream.end())
    const leave = (cause: string): void => {
      if (!isOver && !client.readableEnded && isIdle()) carried.left()
      end(isIdle() ? undefined : 'upstream', cause)
    }
    upstream.once('end', () => leave('it closed the connection'))
    client.once('close', () => end(isIdle() ? undefined : 'client', 'the client broke off'))
    upstream.once('close', () => leave('the connection was cut'))
    upstream.on('error', (error) => leave(error.message))
    retired.addEventListener('abort', retire, { once: true })
    client.resume()
    upstream.resume()
    if (client.destroyed) end('client', 'the client broke off')
    else if (upstream.destroyed) leave('the connection was cut')
    else if (retired.aborted) retire()
  })
}
