import type { RecordingRules } from '../../../plan/remote.ts'
import type { Capture, RawHeaders, Recorder, RequestHead, ResponseHead } from '../exchange.ts'
import { sha256, type Field } from './canonical.ts'
import { lineValue, type CommandLine, type LineFrame } from './command-lines.ts'
import { MessageReader } from './grpc-messages.ts'
import { KnownSecrets, Placeholders } from './placeholder.ts'
import { protobufFields, redactProtobuf } from './protobuf.ts'
import { rawHeader } from './record-http.ts'
import { compileRedaction, type RedactionRules } from './redaction-rules.ts'
import { Redactor } from './redactor.ts'
import type { Store } from './store.ts'
import { steadyResponseHeaders } from './volatile-headers.ts'

/** All messages of one call together; a longer one is not recorded. */
const LARGEST_CALL = 32 * 1024 * 1024

interface Call {
  path: string
  asked: Buffer[]
  head: ResponseHead
  answered: { message: Buffer; after: number }[]
  trailers: RawHeaders
  /** How many messages had been asked when the head came. */
  headAfter: number
  why?: string
}

/** Records gRPC calls as JSON lines. */
export class GrpcRecorder implements Recorder {
  readonly #store: Store<CommandLine>
  readonly #rules: RedactionRules
  readonly #known = new KnownSecrets()
  #turn: Promise<void> = Promise.resolve()
  #failure: unknown

  /** Throws RECORDING_RULE_INVALID. */
  constructor(store: Store<CommandLine>, rules: RecordingRules) {
    this.#store = store
    this.#rules = compileRedaction(rules.redact)
  }

  begin(request: RequestHead): Capture {
    return new GrpcCapture(request, (call) => this.#keep(call))
  }

  /** Resolves when everything that ended is in the store. Throws the first thing that went wrong. */
  async settle(): Promise<void> {
    await this.#turn
    if (this.#failure !== undefined) throw this.#failure
  }

  #keep(call: Call): void {
    const before = this.#turn
    const keep = async (): Promise<void> => {
      await before
      try {
        const size = this.#known.size
        const line = callLine(call, this.#rules, this.#known)
        await this.#store.add(this.#known.size === size ? line : callLine(call, this.#rules, this.#known), new Map())
      } catch (error) {
        this.#failure ??= error
      }
    }
    this.#turn = keep()
  }
}

class GrpcCapture implements Capture {
  readonly #path: string
  readonly #done: (call: Call) => void
  readonly #asking: MessageReader
  readonly #answering: MessageReader
  readonly #asked: Buffer[] = []
  readonly #answered: Call['answered'] = []
  #head: ResponseHead | undefined
  #headAfter = 0
  #size = 0
  #why: string | undefined

  constructor(request: RequestHead, done: (call: Call) => void) {
    this.#path = request.target
    this.#done = done
    this.#asking = new MessageReader(() => rawHeader(request.headers, 'grpc-encoding') ?? 'identity')
    this.#answering = new MessageReader(() => rawHeader(this.#head?.headers ?? [], 'grpc-encoding') ?? 'identity')
  }

  requestData(chunk: Buffer): void {
    this.#read(chunk, (part) => this.#asked.push(...this.#asking.add(part)))
  }

  requestEnd(): void {}

  responseHead(head: ResponseHead): void {
    this.#head = head
    this.#headAfter = this.#asked.length
  }

  responseData(chunk: Buffer): void {
    this.#read(chunk, (part) => {
      for (const message of this.#answering.add(part)) this.#answered.push({ message, after: this.#asked.length })
    })
  }

  end(trailers: RawHeaders): void {
    if (this.#head === undefined) return
    this.#done({
      path: this.#path,
      asked: this.#asked,
      head: this.#head,
      headAfter: this.#headAfter,
      answered: this.#answered,
      trailers,
      ...(this.#why !== undefined && { why: this.#why }),
    })
  }

  fail(): void {
    this.#forget('the call was broken off')
  }

  #read(chunk: Buffer, read: (chunk: Buffer) => void): void {
    if (this.#why !== undefined) return
    this.#size += chunk.length
    if (this.#size > LARGEST_CALL) return this.#forget(`it is longer than ${LARGEST_CALL} bytes`)
    try {
      read(Buffer.from(chunk))
    } catch (error) {
      this.#forget((error as Error).message)
    }
  }

  #forget(why: string): void {
    this.#why = why
    this.#asked.length = 0
    this.#answered.length = 0
  }
}

function callLine(call: Call, rules: RedactionRules, known: KnownSecrets): CommandLine {
  const redactor = new Redactor(rules, new Placeholders(known))
  let omitted = call.why
  const message = (bytes: Buffer): LineFrame => {
    const seen = redactProtobuf(bytes, redactor)
    if (seen === undefined) omitted ??= 'a message is no protobuf, or holds a secret that cannot be taken out'
    return { kind: 'message', values: [{ base64: (seen ?? Buffer.alloc(0)).toString('base64') }] }
  }
  const fields = (headers: RawHeaders): LineFrame['values'] =>
    steadyResponseHeaders(redactor.headers(headers), { length: undefined, isChanged: false }).flatMap(({ name, value }) => [
      lineValue(Buffer.from(name)),
      lineValue(Buffer.from(value)),
    ])
  const request = call.asked.map(message)
  const total = call.asked.length
  const timed = (frame: LineFrame, after: number): LineFrame => (after === total ? frame : { ...frame, after })
  const response: LineFrame[] = [
    timed({ kind: 'head', values: [String(call.head.status), ...fields(call.head.headers)] }, call.headAfter),
    ...call.answered.map((answer) => timed(message(answer.message), answer.after)),
    { kind: 'trailers', values: fields(call.trailers) },
  ]
  const command = redactor.target(call.path)
  const { places } = redactor
  const about = { protocol: 'grpc', command, ...(places.length > 0 && { redactions: places }) }
  const hash = `sha256:${sha256(JSON.stringify(request.map((frame) => comparedMessage(frame, []))))}`
  const parameters = { count: total, hash }
  return omitted === undefined ? { ...about, parameters, request, response } : { ...about, parameters, response: [], omitted }
}

/** What is compared of a recorded message. */
export function comparedMessage({ values }: LineFrame, ignored: Parameters<typeof protobufFields>[1]): Field[] {
  const [value] = values
  const bytes = value !== null && typeof value === 'object' ? Buffer.from(value.base64, 'base64') : Buffer.from(value ?? '')
  return protobufFields(bytes, ignored)
}
