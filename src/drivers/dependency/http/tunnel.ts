import type { Duplex } from 'node:stream'

export interface TunnelHooks {
  /** Bytes of the client; a promise holds that direction. */
  fromClient?(chunk: Buffer): void | Promise<void>
  fromUpstream?(chunk: Buffer): void | Promise<void>
  /** Both directions are over; `isWhole` when both were ended and nothing broke. */
  /** A mistake in the proxy's own code; the tunnel is closed. */
  onDefect(error: unknown): void
  onClose(counts: { sentBytes: number; receivedBytes: number; isWhole: boolean }): void
}

const TUNNEL = Symbol('tunnel')

/** A connection that is one side of a tunnel. Its listeners are functions shared by all: idle ones are many, and each closure counts. */
type Side = Duplex & { [TUNNEL]?: Tunnel }

/** Joins two connections whose protocol is not ours to read. Each direction ends by itself: a half-closed one goes on the other way. */
export class Tunnel {
  /** Milliseconds of `performance.now` at the last byte. */
  lastActivity = performance.now()
  private readonly client: Side
  private readonly upstream: Side
  private readonly hooks: TunnelHooks
  private sentBytes = 0
  private receivedBytes = 0
  private ended = 0
  private isClosed = false

  constructor(client: Duplex, upstream: Duplex, hooks: TunnelHooks) {
    this.client = client
    this.upstream = upstream
    this.hooks = hooks
    for (const side of [this.client, this.upstream]) {
      side[TUNNEL] = this
      side.on('data', onData)
      side.on('drain', onDrain)
      side.on('end', onEnd)
      side.on('error', onError)
      side.on('close', onClose)
    }
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
    this.close()
  }

  other(side: Duplex): Duplex {
    return side === this.client ? this.upstream : this.client
  }

  pass(chunk: Buffer, from: Duplex): void {
    this.lastActivity = performance.now()
    const isClient = from === this.client
    if (isClient) this.sentBytes += chunk.length
    else this.receivedBytes += chunk.length
    const kept = isClient ? this.hooks.fromClient?.(chunk) : this.hooks.fromUpstream?.(chunk)
    const to = this.other(from)
    if (to.destroyed || to.writableEnded) return
    if (!to.write(chunk)) from.pause()
    if (!kept) return
    from.pause()
    const goOn = (): void => {
      if (!to.writableNeedDrain) from.resume()
    }
    kept.then(goOn, goOn)
  }

  /** Runs what an event wants; a mistake in it costs this tunnel. */
  hear(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.hooks.onDefect(error)
      this.client.destroy()
      this.upstream.destroy()
    }
  }

  end(side: Duplex): void {
    this.ended += 1
    this.other(side).end()
  }

  closed(side: Duplex): void {
    if (this.ended < 2) this.other(side).destroy()
    this.close()
  }

  private close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.hooks.onClose({ sentBytes: this.sentBytes, receivedBytes: this.receivedBytes, isWhole: this.ended === 2 })
  }
}

function onData(this: Side, chunk: Buffer): void {
  this[TUNNEL]?.hear(() => this[TUNNEL]?.pass(chunk, this))
}

function onDrain(this: Side): void {
  this[TUNNEL]?.other(this).resume()
}

function onEnd(this: Side): void {
  this[TUNNEL]?.end(this)
}

function onError(this: Side): void {
  this[TUNNEL]?.destroy()
}

function onClose(this: Side): void {
  this[TUNNEL]?.hear(() => this[TUNNEL]?.closed(this))
}
