import type { RecordingRules } from '../../../plan/remote.ts'
import type { Player, PlayerAnswer, RawHeaders, RequestHead } from '../exchange.ts'
import type { Field } from './canonical.ts'
import { nextOf } from './play-commands.ts'
import { lineForm, type CommandLine, type LineFrame, type LineValue } from './command-lines.ts'
import { MessageReader, framed } from './grpc-messages.ts'
import type { JsonPath } from './json-path.ts'
import { compileJsonPath } from './json-path.ts'
import { bodyFits } from './match.ts'
import { protobufFields, redactProtobuf } from './protobuf.ts'
import { rawHeader } from './record-http.ts'
import { comparedMessage } from './record-grpc.ts'
import { compileRedaction, type RedactionRules } from './redaction-rules.ts'
import { Redactor } from './redactor.ts'
import type { Store } from './store.ts'

/** gRPC's code for a call that cannot be done in this state: a later message of a stream is not the recorded one. */
const FAILED_PRECONDITION = '9'

/** Answers gRPC calls from JSON lines. */
export class GrpcPlayer implements Player {
  readonly #store: Store<CommandLine>
  readonly #dependency: string
  readonly #order: RecordingRules['order']
  readonly #ignored: JsonPath[]
  readonly #redaction: RedactionRules
  readonly #answered = new Map<string, number>()

  /** Throws RECORDING_RULE_INVALID. */
  constructor(store: Store<CommandLine>, dependency: string, rules: RecordingRules) {
    this.#store = store
    this.#dependency = dependency
    this.#order = rules.order
    this.#ignored = rules.ignore.body.map(compileJsonPath)
    this.#redaction = compileRedaction(rules.redact)
  }

  /** Reads as many messages as a recorded call waits for before it answers, and then plays the one that fits. */
  async answer(request: RequestHead, body: AsyncIterable<Buffer>, signal: AbortSignal): Promise<PlayerAnswer> {
    const path = new Redactor(this.#redaction).target(request.target)
    const spoken = this.#messages(request, body)
    const said: Field[][] = []
    const lines = (await this.#store.items()).filter((line) => line.protocol === 'grpc')
    let fitting = lines.filter((line) => line.command === path)
    for (;;) {
      signal.throwIfAborted()
      const due = fitting.filter((line) => waitsFor(line) <= said.length)
      if (due.length > 0 && fitting.every((line) => waitsFor(line) <= said.length)) break
      const next = await spoken.next()
      if (next.done === true) {
        fitting = due.filter(
          (line) => (line.request ?? []).length === said.length || waitsFor(line) < (line.request ?? []).length,
        )
        break
      }
      said.push(next.value)
      fitting = fitting.filter((line) => this.#fits(line, said.length - 1, next.value))
      if (fitting.length === 0) break
    }
    const line = nextOf(sameCalls(fitting), this.#order, this.#answered)
    if (line === undefined) return { unmatched: this.#explain(lines, path, said.length) }
    if (line.omitted !== undefined) return { unmatched: this.#omitted(line, line.omitted) }
    return this.#play(line, spoken, said.length)
  }

  #play(line: CommandLine, spoken: AsyncGenerator<Field[]>, read: number): PlayerAnswer {
    const head = line.response.find(({ kind }) => kind === 'head')
    const [status, ...fields] = head?.values ?? []
    let trailers = rawOf(line.response.find(({ kind }) => kind === 'trailers')?.values ?? [])
    const stop = (count: number): void => {
      trailers = ['grpc-status', FAILED_PRECONDITION, 'grpc-message', `message ${count} of the stream is not the recorded one`]
    }
    const headers = [...rawOf(fields), 'shiv-served-by', 'recording']
    return {
      matched: {
        head: { status: Number(status ?? 200), statusText: '', headers },
        body: this.#stream(line, spoken, read, stop),
        trailers: () => trailers,
      },
    }
  }

  async *#stream(
    line: CommandLine,
    spoken: AsyncGenerator<Field[]>,
    read: number,
    stop: (count: number) => void,
  ): AsyncGenerator<Buffer> {
    const total = line.request?.length ?? 0
    let count = read
    /** Waits until that many messages were said; false when they are not those of the recording. */
    const until = async (wanted: number): Promise<boolean> => {
      for (; count < wanted; count++) {
        const next = await spoken.next()
        if (next.done === true || !this.#fits(line, count, next.value)) return false
      }
      return true
    }
    for (const frame of line.response) {
      if (frame.kind === 'head') continue
      if (!(await until(frame.after ?? total))) return stop(count + 1)
      if (frame.kind === 'message') yield framed(messageBytes(frame))
    }
  }

  #fits(line: CommandLine, at: number, said: Field[]): boolean {
    const frame = line.request?.[at]
    if (line.omitted !== undefined) return true
    if (frame === undefined) return false
    return bodyFits({ kind: 'binary', fields: comparedMessage(frame, this.#ignored) }, { kind: 'binary', fields: said })
  }

  async *#messages(request: RequestHead, body: AsyncIterable<Buffer>): AsyncGenerator<Field[]> {
    const reader = new MessageReader(() => rawHeader(request.headers, 'grpc-encoding') ?? 'identity')
    const redactor = new Redactor(this.#redaction)
    for await (const chunk of body) {
      for (const message of reader.add(chunk))
        yield protobufFields(redactProtobuf(message, redactor) ?? Buffer.alloc(0), this.#ignored)
    }
  }

  #explain(
    lines: readonly CommandLine[],
    path: string,
    read: number,
  ): Extract<PlayerAnswer, { unmatched: unknown }>['unmatched'] {
    const same = lines.find((line) => line.command === path)
    const [other] = lines.filter((line) => line.command.split('/')[1] === path.split('/')[1])
    const hint = `record it: set the mode of ${this.#dependency} to record, and call it again`
    if (same === undefined) {
      const nearest = other === undefined ? {} : { nearest: other.command }
      return {
        message: `No call of ${path} is recorded.`,
        ...nearest,
        difference: other ? [`method ${path}, recorded ${other.command}`] : [],
        hint,
      }
    }
    const difference = [
      read === 0 ? 'messages: none, recorded at least one' : `message ${read}: another content than any that is recorded`,
    ]
    return { message: `No recorded ${path} has these messages.`, nearest: path, difference, hint }
  }

  #omitted(line: CommandLine, why: string): Extract<PlayerAnswer, { unmatched: unknown }>['unmatched'] {
    return {
      message: `A call of ${line.command} was recorded without its content: ${why}.`,
      nearest: line.command,
      difference: [],
    }
  }
}

/** How many messages are said before the first message comes back, or before the end of a call without any. */
function waitsFor(line: CommandLine): number {
  const total = line.request?.length ?? 0
  const first = line.response.find(({ kind }) => kind === 'message' || kind === 'trailers')
  return first?.after ?? total
}

/** Of the calls that fit, those that are equal to the first. */
function sameCalls(lines: readonly CommandLine[]): CommandLine[] {
  const [first] = lines
  return first === undefined ? [] : lines.filter((line) => lineForm.keyOf(line) === lineForm.keyOf(first))
}

function rawOf(values: readonly LineValue[]): RawHeaders {
  return values.map((value) => (typeof value === 'string' ? value : ''))
}

function messageBytes({ values: [value] }: LineFrame): Buffer {
  return value !== null && typeof value === 'object' ? Buffer.from(value.base64, 'base64') : Buffer.from(value ?? '')
}
