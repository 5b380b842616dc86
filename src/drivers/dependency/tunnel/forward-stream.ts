import { Duplex } from 'node:stream'
import { createFrameParser, frame, OPCODE } from './frames.ts'

/** Of one port: its bytes, and why it failed. */
const [DATA, ERROR] = [0, 1]
/** The API server and the kubelet read a message into memory. */
const MESSAGE_BYTES = 32 * 1024
/** How long nothing may come before the other end is asked whether it is there. */
const QUIET_MS = 5_000
/** The protocol cannot end one direction: after the client's end, silence of this length ends both. */
const HALF_CLOSED_MS = 10_000

/**
 * The bytes of one port of a pod, over a WebSocket that speaks `v4.channel.k8s.io`: a channel of data and one of errors, each opened by two bytes
 * with the port. Is destroyed with an error when the port fails, or when the other end answers no ping.
 */
export class ForwardStream extends Duplex {
  readonly #socket: Duplex
  readonly #errors: Buffer[] = []
  #channel = -1
  /** Bytes of the port's number that each channel still owes. */
  #preamble = [2, 2]
  #heardAt = performance.now()
  #hasPinged = false
  #isPaused = false
  #hasEnded = false
  #timer: NodeJS.Timeout

  constructor(socket: Duplex) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    const parse = createFrameParser({
      data: (bytes, isStart) => this.#take(bytes, isStart),
      control: (opcode, payload) => this.#control(opcode, payload),
    })
    socket.on('data', (chunk: Buffer) => {
      this.#heardAt = performance.now()
      this.#hasPinged = false
      try {
        parse(chunk)
      } catch (error) {
        this.destroy(error as Error)
      }
    })
    socket.on('error', (error) => this.destroy(error))
    socket.once('end', () => this.#over())
    socket.once('close', () => this.#over())
    this.#timer = setInterval(() => this.#lookAlive(), QUIET_MS / 2)
    this.#timer.unref()
  }

  override _read(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#heardAt = performance.now()
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    let isTaken = true
    for (let at = 0; at < chunk.length; at += MESSAGE_BYTES) {
      isTaken = this.#socket.write(frame(OPCODE.binary, chunk.subarray(at, at + MESSAGE_BYTES), DATA))
    }
    if (isTaken) return done()
    const settle = (): void => {
      this.#socket.removeListener('drain', settle)
      this.#socket.removeListener('close', settle)
      done()
    }
    this.#socket.once('drain', settle)
    this.#socket.once('close', settle)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#hasEnded = true
    this.#heardAt = performance.now()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#timer)
    if (!this.#socket.destroyed) {
      if (error === null && this.#socket.writable) this.#socket.end(frame(OPCODE.close, Buffer.from([0x03, 0xe8])))
      else this.#socket.destroy()
      setTimeout(() => this.#socket.destroy(), 1_000).unref()
      this.#socket.resume()
    }
    done(error)
  }

  #take(bytes: Buffer, isStart: boolean): void {
    let rest = bytes
    if (isStart) {
      this.#channel = rest[0] ?? -1
      rest = rest.subarray(1)
    }
    const owed = Math.min(this.#preamble[this.#channel] ?? 0, rest.length)
    if (owed > 0) {
      this.#preamble[this.#channel]! -= owed
      rest = rest.subarray(owed)
    }
    if (rest.length === 0 || this.destroyed) return
    if (this.#channel === ERROR) this.#errors.push(rest)
    else if (this.#channel === DATA && !this.push(rest)) {
      this.#isPaused = true
      this.#socket.pause()
    }
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.ping) this.#socket.write(frame(OPCODE.pong, payload))
    else if (opcode === OPCODE.close) this.#over()
  }

  /** Nothing comes any more. */
  #over(): void {
    if (this.destroyed || this.readableEnded) return
    const said = Buffer.concat(this.#errors).toString('utf8').trim()
    if (said !== '') return void this.destroy(new Error(said.slice(0, 300)))
    this.push(null)
    // The way back is gone too: what is written from now on would reach nobody.
    this.end()
    this.once('end', () => this.destroy())
  }

  #lookAlive(): void {
    const quietMs = performance.now() - this.#heardAt
    if (this.#isPaused) return
    if (this.#hasEnded && quietMs > HALF_CLOSED_MS) return this.#over()
    if (this.#hasPinged && quietMs > 2 * QUIET_MS) return void this.destroy(new Error('the API server does not answer any more'))
    if (quietMs < QUIET_MS || this.#hasPinged) return
    this.#hasPinged = true
    this.#socket.write(frame(OPCODE.ping, Buffer.alloc(0)))
  }
}
