import type { RecordingRules } from '../../../plan/remote.ts'
import type { Capture, RawHeaders, Recorder, RequestHead, ResponseHead } from '../exchange.ts'
import { bodiesFolder } from './bodies-folder.ts'
import { buildEntry, type CapturedExchange, type CapturedMessage } from './build-entry.ts'
import { GatherBody } from './gather-body.ts'
import type { HarEntry } from './har.ts'
import { KnownSecrets, Placeholders } from './placeholder.ts'
import { compileRedaction, type RedactionRules } from './redaction-rules.ts'
import { Redactor } from './redactor.ts'
import { Repeated } from './repeated.ts'
import type { Store } from './store.ts'
import { FrameReader, capturedMessage } from './websocket-frames.ts'

/** All messages of one WebSocket together; a longer conversation is not recorded. */
const LARGEST_CONVERSATION = 32 * 1024 * 1024

/** Records HTTP into a store. What goes wrong with the store is thrown by its `close`. */
export class HttpRecorder implements Recorder {
  readonly #store: Store<HarEntry>
  readonly #dependency: string
  readonly #folder: string
  readonly #rules: RedactionRules
  readonly #known = new KnownSecrets()
  readonly #repeated = new Repeated()
  #turn: Promise<void> = Promise.resolve()
  #written: Promise<void> = Promise.resolve()
  #failure: unknown

  /** Throws RECORDING_RULE_INVALID. */
  constructor(store: Store<HarEntry>, dependency: string, rules: RecordingRules) {
    this.#store = store
    this.#dependency = dependency
    this.#folder = bodiesFolder(store.file)
    this.#rules = compileRedaction(rules.redact)
  }

  readonly #gather = (headers: RawHeaders): GatherBody => {
    let redactor: Redactor | undefined
    return new GatherBody({
      headers: () => ({
        contentType: rawHeader(headers, 'content-type'),
        contentEncoding: rawHeader(headers, 'content-encoding'),
      }),
      folder: this.#folder,
      isSecret: (bytes) => (redactor ??= new Redactor(this.#rules, new Placeholders(this.#known))).isSecret(bytes),
    })
  }

  begin(request: RequestHead): Capture {
    return new HttpCapture(request, this.#gather, this.#keep)
  }

  /** Resolves when everything that ended is in the store. Throws the first thing that went wrong. */
  async settle(): Promise<void> {
    await this.#turn
    await this.#written
    if (this.#failure !== undefined) throw this.#failure
  }

  /** One after the other, in the order that they ended: what one makes known to be secret, the next hides. */
  readonly #keep = (exchange: () => Promise<CapturedExchange>): void => {
    const before = this.#turn
    const keep = async (): Promise<void> => {
      await before
      try {
        const captured = await exchange()
        const same = this.#repeated.find(captured)
        if (same !== undefined && this.#store.isKnown(same)) return
        const { entry, files } = buildEntry(captured, this.#dependency, this.#rules, this.#known)
        this.#repeated.remember(captured, entry)
        this.#written = this.#store.add(entry, files).catch((error: unknown) => this.#fail(error))
      } catch (error) {
        this.#fail(error)
      }
    }
    this.#turn = keep()
  }

  #fail(error: unknown): void {
    this.#failure ??= error
  }
}

/** One exchange on its way. */
class HttpCapture implements Capture {
  readonly #request: RequestHead
  readonly #gather: (headers: RawHeaders) => GatherBody
  readonly #keep: (exchange: () => Promise<CapturedExchange>) => void
  readonly #requestBody: GatherBody
  #requestTrailers: RawHeaders = []
  readonly #informational: ResponseHead[] = []
  #response: ResponseHead | undefined
  #responseBody: GatherBody | undefined
  #conversation: Conversation | undefined

  constructor(
    request: RequestHead,
    gather: (headers: RawHeaders) => GatherBody,
    keep: (exchange: () => Promise<CapturedExchange>) => void,
  ) {
    this.#request = withUpgrade(request)
    this.#gather = gather
    this.#keep = keep
    this.#requestBody = gather(request.headers)
  }

  requestData(chunk: Buffer): void | Promise<void> {
    if (this.#conversation !== undefined) return this.#conversation.add('send', chunk)
    return this.#requestBody.add(chunk)
  }

  requestEnd(trailers: RawHeaders): void {
    this.#requestTrailers = trailers
  }

  informational(head: ResponseHead): void {
    this.#informational.push(head)
  }

  responseHead(head: ResponseHead): void {
    this.#response = head
    this.#responseBody = this.#gather(head.headers)
    if (head.status === 101) this.#conversation = new Conversation(this.#request.upgrade ?? 'another protocol')
  }

  responseData(chunk: Buffer): void | Promise<void> {
    if (this.#conversation !== undefined) return this.#conversation.add('receive', chunk)
    return this.#responseBody?.add(chunk)
  }

  end(trailers: RawHeaders): void {
    const [response, responseBody] = [this.#response, this.#responseBody]
    if (response !== undefined && responseBody !== undefined) this.#keep(() => this.#whole(response, responseBody, trailers))
  }

  fail(): void {
    // What a file could not take is no loss: the exchange is not kept.
    for (const body of [this.#requestBody, this.#responseBody]) body?.discard().catch(() => undefined)
  }

  async #whole(response: ResponseHead, responseBody: GatherBody, responseTrailers: RawHeaders): Promise<CapturedExchange> {
    return {
      request: this.#request,
      requestBody: await this.#requestBody.finish(),
      requestTrailers: this.#requestTrailers,
      informational: this.#informational,
      response,
      responseBody: await responseBody.finish(),
      responseTrailers,
      webSocket: this.#conversation?.result(),
    }
  }
}

/** What passes after a 101. */
class Conversation {
  readonly #readers = { send: new FrameReader(), receive: new FrameReader() }
  readonly #messages: CapturedMessage[] = []
  #size = 0
  #why: string | undefined

  constructor(protocol: string) {
    if (protocol.toLowerCase() !== 'websocket') this.#why = `what follows an upgrade to ${protocol.slice(0, 30)} is not recorded`
  }

  add(type: CapturedMessage['type'], chunk: Buffer): void {
    if (this.#why !== undefined) return
    this.#size += chunk.length
    try {
      for (const frame of this.#readers[type].add(chunk)) {
        const message = capturedMessage(type, frame)
        if (message !== undefined) this.#messages.push(message)
      }
    } catch (error) {
      this.#why = (error as Error).message
    }
    if (this.#size > LARGEST_CONVERSATION) this.#why = `it is longer than ${LARGEST_CONVERSATION} bytes`
    if (this.#why !== undefined) this.#messages.length = 0
  }

  result(): { messages: CapturedMessage[] } | { why: string } {
    if (!this.#readers.send.isWhole || !this.#readers.receive.isWhole) this.#why ??= 'it ended within a message'
    return this.#why === undefined ? { messages: this.#messages } : { why: this.#why }
  }
}

/** The request with the field that says what it is to be upgraded to. */
export function withUpgrade(request: RequestHead): RequestHead {
  if (request.upgrade === undefined || rawHeader(request.headers, 'upgrade') !== undefined) return request
  return { ...request, headers: [...request.headers, 'Upgrade', request.upgrade] }
}

/** The value of a field, of several joined; undefined when there is none. */
export function rawHeader(headers: RawHeaders, name: string): string | undefined {
  let joined: string | undefined
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const own = headers[at]!
    if (own.length !== name.length || own.toLowerCase() !== name) continue
    joined = joined === undefined ? headers[at + 1]! : `${joined}, ${headers[at + 1]}`
  }
  return joined
}
