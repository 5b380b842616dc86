import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export interface Relayed {
  sentBytes: number
  receivedBytes: number
  /** Who broke it off, and why; absent when both sides ended in order. */
  broken?: { by: 'client' | 'upstream'; cause: string }
}

/**
 * Carries bytes both ways until both directions have ended, with back-pressure; the end of one direction leaves the other open. A side that
 * breaks off breaks off the other. An upstream that takes nothing for `writeMs` is given up. `onFirstAnswer` is called when it first says something.
 */
export function relay(client: Duplex, upstream: Duplex, writeMs: number, onFirstAnswer: () => void): Promise<Relayed> {
  return new Promise((resolve) => {
    const result: Relayed = { sentBytes: 0, receivedBytes: 0 }
    let open = 2
    const breakOff = (by: 'client' | 'upstream', cause: string): void => {
      if (open === 0) return
      result.broken ??= { by, cause }
      reset(client)
      reset(upstream)
    }
    const onClose = (by: 'client' | 'upstream', side: Duplex) => (): void => {
      open -= 1
      if (!side.readableEnded || !side.writableFinished) breakOff(by, 'the connection was cut')
      if (open === 0) resolve(result)
    }
    client.on('error', (error) => breakOff('client', error.message))
    upstream.on('error', (error) => breakOff('upstream', error.message))
    client.once('close', onClose('client', client))
    upstream.once('close', onClose('upstream', upstream))
    if (client.destroyed || upstream.destroyed) return breakOffAtOnce(client, upstream, result, resolve)
    pump(client, upstream, (bytes) => (result.sentBytes += bytes), {
      afterMs: writeMs,
      giveUp: () => breakOff('upstream', `it took no bytes for ${writeMs / 1_000} s`),
    })
    upstream.once('data', onFirstAnswer)
    pump(upstream, client, (bytes) => (result.receivedBytes += bytes))
  })
}

/** Ends a connection so that the other end sees that it was broken off, not ended. */
export function reset(side: Duplex): void {
  if (side.destroyed) return
  if (side instanceof Socket && !side.connecting) side.resetAndDestroy()
  else side.destroy()
}

function breakOffAtOnce(client: Duplex, upstream: Duplex, result: Relayed, resolve: (result: Relayed) => void): void {
  result.broken = { by: client.destroyed ? 'client' : 'upstream', cause: 'the connection was cut' }
  reset(client)
  reset(upstream)
  resolve(result)
}

function pump(from: Duplex, to: Duplex, count: (bytes: number) => void, stall?: { afterMs: number; giveUp(): void }): void {
  let timer: NodeJS.Timeout | undefined
  from.on('data', (chunk: Buffer) => {
    count(chunk.length)
    if (to.write(chunk)) return
    from.pause()
    if (stall && timer === undefined) timer = setTimeout(stall.giveUp, stall.afterMs)
  })
  to.on('drain', () => {
    clearTimeout(timer)
    timer = undefined
    from.resume()
  })
  to.once('close', () => clearTimeout(timer))
  from.once('end', () => to.end())
}
