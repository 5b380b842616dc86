import type { Duplex } from 'node:stream'

export interface TunnelHooks {
  /** Bytes of the client; a promise holds that direction. */
  fromClient?(chunk: Buffer): void | Promise<void>
  fromUpstream?(chunk: Buffer): void | Promise<void>
  /** Both directions are over; `isWhole` when both were ended and nothing broke. */
  onClose(counts: { sentBytes: number; receivedBytes: number; isWhole: boolean }): void
}

/** Joins two connections whose protocol is not ours to read. Each direction ends by itself: a half-closed one goes on the other way. */
export class Tunnel {
  /** Milliseconds of `performance.now` at the last byte. */
  lastActivity = performance.now()
  private readonly client: Duplex
  private readonly upstream: Duplex
  private readonly hooks: TunnelHooks
  private sentBytes = 0
  private receivedBytes = 0
  private ended = 0
  private isClosed = false

  constructor(client: Duplex, upstream: Duplex, hooks: TunnelHooks) {
    this.client = client
    this.upstream = upstream
    this.hooks = hooks
    client.on('data', (chunk: Buffer) => {
      this.sentBytes += chunk.length
      this.pass(chunk, client, upstream, hooks.fromClient?.(chunk))
    })
    upstream.on('data', (chunk: Buffer) => {
      this.receivedBytes += chunk.length
      this.pass(chunk, upstream, client, hooks.fromUpstream?.(chunk))
    })
    this.watch(client, upstream)
    this.watch(upstream, client)
  }

  /** Begins, with what was read of each side already. */
  start(clientRest: Buffer | undefined, upstreamRest: Buffer | undefined): void {
    if (this.client.destroyed || this.upstream.destroyed) return this.destroy()
    if (clientRest) this.client.unshift(clientRest)
    if (upstreamRest) this.upstream.unshift(upstreamRest)
    this.client.resume()
    this.upstream.resume()
  }

  destroy(): void {
    this.client.destroy()
    this.upstream.destroy()
    this.close(false)
  }

  private pass(chunk: Buffer, from: Duplex, to: Duplex, kept: void | Promise<void>): void {
    this.lastActivity = performance.now()
    if (to.destroyed || to.writableEnded) return
    if (!to.write(chunk)) from.pause()
    if (!kept) return
    from.pause()
    const goOn = (): void => {
      if (!to.writableNeedDrain) from.resume()
    }
    kept.then(goOn, goOn)
  }

  private watch(one: Duplex, other: Duplex): void {
    one.on('drain', () => other.resume())
    one.on('end', () => {
      this.ended += 1
      other.end()
    })
    one.on('error', () => this.destroy())
    one.on('close', () => {
      if (this.ended < 2) other.destroy()
      this.close(this.ended === 2)
    })
  }

  private close(isWhole: boolean): void {
    if (this.isClosed) return
    this.isClosed = true
    this.hooks.onClose({ sentBytes: this.sentBytes, receivedBytes: this.receivedBytes, isWhole })
  }
}
