import type { Duplex } from 'node:stream'

/** Up to this many bytes are copied into one write; beyond it a copy costs more than a second piece. */
const COPY_UP_TO = 32_768

/** Gathers what is written to a socket within one turn of the event loop into one write. */
export class Outlet {
  private readonly socket: Duplex
  private pieces: (string | Buffer)[] = []
  private size = 0
  private isScheduled = false

  constructor(socket: Duplex) {
    this.socket = socket
  }

  /** Returns false when the socket's `drain` is to be awaited. Text is latin1. */
  write(piece: string | Buffer): boolean {
    this.pieces.push(piece)
    this.size += piece.length
    if (!this.isScheduled) {
      this.isScheduled = true
      process.nextTick(flush, this)
    }
    return this.size + this.socket.writableLength < this.socket.writableHighWaterMark
  }

  flush(): void {
    this.isScheduled = false
    const { pieces, size, socket } = this
    if (pieces.length === 0) return
    this.pieces = []
    this.size = 0
    if (socket.destroyed || socket.writableEnded) return
    const [only] = pieces
    if (pieces.length === 1) {
      if (typeof only === 'string') socket.write(only, 'latin1')
      else socket.write(only)
      return
    }
    if (size <= COPY_UP_TO) return void socket.write(joined(pieces, size))
    socket.cork()
    for (const piece of pieces) {
      if (typeof piece === 'string') socket.write(piece, 'latin1')
      else socket.write(piece)
    }
    socket.uncork()
  }

  /** Writes what there is and ends this direction. */
  end(): void {
    this.flush()
    if (!this.socket.destroyed) this.socket.end()
  }
}

function flush(outlet: Outlet): void {
  outlet.flush()
}

function joined(pieces: (string | Buffer)[], size: number): Buffer {
  const whole = Buffer.allocUnsafe(size)
  let at = 0
  for (const piece of pieces) at += typeof piece === 'string' ? whole.write(piece, at, 'latin1') : piece.copy(whole, at)
  return whole
}
