import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { ShivError } from '../../../core/errors.ts'
import type { RecordingRules } from '../../../plan/remote.ts'
import type { Player, PlayerAnswer, RawHeaders, RequestHead, Unmatched } from '../exchange.ts'
import { bodyPath } from './bodies-folder.ts'
import { bodyHash, canonicalBody } from './canonical.ts'
import { accepts, codingsOf, encodeContent } from './decode-content.ts'
import { GatherBody } from './gather-body.ts'
import { harForm, compared, type Ignored } from './har-form.ts'
import { headerOf, rawOf, targetOf, type HarEntry } from './har.ts'
import { compileJsonPath } from './json-path.ts'
import { keepBody, type KeptBody } from './keep-body.ts'
import { Matcher, type Asked, type Recorded } from './match.ts'
import { acceptOf, playWebSocket } from './play-websocket.ts'
import { rawHeader, withUpgrade } from './record-http.ts'
import { compileRedaction, type RedactionRules } from './redaction-rules.ts'
import { Redactor } from './redactor.ts'
import type { Store } from './store.ts'
import { isDate } from './volatile-headers.ts'

/** Of this connection, or said anew. */
const NOT_PLAYED = new Set(['connection', 'keep-alive', 'shiv-served-by', 'transfer-encoding'])
const CHUNK = 64 * 1024
const LARGEST_ENCODED = 8 * 1024 * 1024

/** Answers HTTP from a store. */
export class HttpPlayer implements Player {
  readonly #store: Store<HarEntry>
  readonly #dependency: string
  readonly #isOrdered: boolean
  readonly #ignored: Ignored
  readonly #redaction: RedactionRules
  readonly #matcher: Matcher
  /** How often a group of equal requests was answered, by its key. */
  readonly #answered = new Map<string, number>()

  /** Throws RECORDING_RULE_INVALID. */
  constructor(store: Store<HarEntry>, dependency: string, rules: RecordingRules) {
    this.#store = store
    this.#dependency = dependency
    this.#isOrdered = rules.order === 'ordered'
    this.#ignored = compileIgnored(rules.ignore)
    this.#redaction = compileRedaction(rules.redact)
    this.#matcher = new Matcher(this.#ignored)
  }

  async answer(request: RequestHead, body: AsyncIterable<Buffer>, signal: AbortSignal): Promise<PlayerAnswer> {
    const redactor = new Redactor(this.#redaction)
    const asked = await this.#read(withUpgrade(request), body, redactor)
    signal.throwIfAborted()
    this.#matcher.use(await this.#store.items())
    const found = this.#matcher.find(asked)
    const [first] = found
    if (first === undefined) return { unmatched: { ...this.#matcher.explain(asked), hint: this.#hint() } }
    const { entry } = this.#next(found, first)
    const omitted = entry._omitted ?? entry.response.content._omitted
    if (omitted !== undefined) return { unmatched: this.#withoutBody(entry, omitted) }
    if (entry.response.status === 101) return this.#upgrade(entry, request, body, redactor)
    return this.#play(entry, request)
  }

  async #read(request: RequestHead, body: AsyncIterable<Buffer>, redactor: Redactor): Promise<Asked> {
    const headers = redactor.headers(request.headers)
    const target = redactor.target(request.target)
    const named = { contentType: headerOf(headers, 'content-type'), contentEncoding: headerOf(headers, 'content-encoding') }
    const gather = new GatherBody({ headers: () => named, isSecret: (bytes) => redactor.isSecret(bytes) })
    if (request.upgrade === undefined) for await (const chunk of body) await gather.add(chunk)
    const gathered = await gather.finish()
    const kept: KeptBody = gathered.kind === 'bytes' ? keepBody(gathered.bytes, named, redactor) : gathered
    const size = gathered.kind === 'bytes' ? gathered.bytes.length : gathered.size
    const canonical = canonicalBody(kept, named.contentType, this.#ignored.body, size)
    const wholeHash = bodyHash(canonicalBody(kept, named.contentType, [], size))
    return { ...compared({ method: request.method, target, body: canonical, wholeHash }, this.#ignored), headers }
  }

  /** `ordered`: the next of the group, the last again and again. Otherwise the last that was recorded. */
  #next(found: readonly Recorded[], first: Recorded): Recorded {
    if (!this.#isOrdered) return found.at(-1) ?? first
    const key = harForm.keyOf(first.entry)
    const count = this.#answered.get(key) ?? 0
    this.#answered.set(key, count + 1)
    let passed = 0
    for (const recorded of found) {
      passed += harForm.repeatsOf(recorded.entry)
      if (count < passed) return recorded
    }
    return found.at(-1) ?? first
  }

  async #play({ response }: HarEntry, request: RequestHead): Promise<PlayerAnswer> {
    const { status, statusText, content } = response
    const codings = codingsOf(headerOf(response.headers, 'content-encoding'))
    const stored = content._file === undefined ? contentBytes(content) : await this.#stored(content._file)
    const isEncoded = codings.length > 0 && accepts(rawHeader(request.headers, 'accept-encoding'), codings)
    const encoded = isEncoded && stored.bytes !== undefined && stored.size > 0 ? encodeContent(stored.bytes, codings) : undefined
    const hasBody = request.method !== 'HEAD' && status !== 304 && status !== 204
    const isLeftPlain = hasBody && codings.length > 0 && stored.size > 0 && encoded === undefined
    const headers = this.#headers(response.headers, hasBody ? (encoded?.length ?? stored.size) : undefined, isLeftPlain)
    const body = !hasBody ? nothing() : encoded !== undefined ? chunks(encoded) : stored.read()
    const trailers = rawOf(response._trailers ?? [])
    return { matched: { head: { status, statusText, headers }, body, ...(trailers.length > 0 && { trailers: () => trailers }) } }
  }

  #upgrade(entry: HarEntry, request: RequestHead, body: AsyncIterable<Buffer>, redactor: Redactor): PlayerAnswer {
    const { status, statusText, headers } = entry.response
    const accept = acceptOf(rawHeader(request.headers, 'sec-websocket-key') ?? '')
    const fields = headers
      .filter(({ name }) => name.toLowerCase() !== 'sec-websocket-extensions')
      .map((field) => (field.name.toLowerCase() === 'sec-websocket-accept' ? { name: field.name, value: accept } : field))
    const played = playWebSocket(entry._webSocketMessages ?? [], body, { redactor, ignored: this.#ignored.body })
    return { matched: { head: { status, statusText, headers: this.#headers(fields, undefined, false) }, body: played } }
  }

  #headers(fields: HarEntry['response']['headers'], length: number | undefined, isLeftPlain: boolean): RawHeaders {
    const played = fields.flatMap(({ name, value }) => {
      const lower = name.toLowerCase()
      if (NOT_PLAYED.has(lower) || (isLeftPlain && lower === 'content-encoding')) return []
      if (isDate(name)) return [{ name, value: new Date().toUTCString() }]
      if (lower === 'content-length' && length !== undefined) return [{ name, value: String(length) }]
      return [{ name, value }]
    })
    return rawOf([...played, { name: 'shiv-served-by', value: 'recording' }])
  }

  async #stored(name: string): Promise<Stored> {
    const path = bodyPath(this.#store.file, name)
    try {
      const { size } = await stat(path)
      const read = (): AsyncIterable<Buffer> => createReadStream(path, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>
      if (size > LARGEST_ENCODED) return { size, read }
      const parts: Buffer[] = []
      for await (const part of read()) parts.push(part)
      const bytes = Buffer.concat(parts)
      return { size, bytes, read: () => chunks(bytes) }
    } catch (error) {
      throw new ShivError(`A body of the recording ${this.#store.file} cannot be read: ${(error as Error).message}`, {
        code: 'RECORDING_BODY_MISSING',
        exit: 2,
        hint: 'take the file from git, or record this request again',
        cause: error,
      })
    }
  }

  #withoutBody({ request }: HarEntry, why: string): Unmatched {
    const what = `${request.method} ${targetOf(request.url)}`
    return {
      message: `The answer to ${what} was recorded without its content: ${why}.`,
      nearest: what,
      difference: [],
      hint: this.#hint(),
    }
  }

  #hint(): string {
    return `shiv proxy mode ${this.#dependency} record`
  }
}

/** Throws RECORDING_RULE_INVALID. */
export function compileIgnored({ query, headers, body }: RecordingRules['ignore']): Ignored {
  return {
    query: new Set(query),
    headers: new Set(headers.map((name) => name.toLowerCase())),
    body: body.map(compileJsonPath),
  }
}

interface Stored {
  size: number
  /** Absent when it is too large to be held. */
  bytes?: Buffer
  read(): AsyncIterable<Buffer>
}

function contentBytes({ text, encoding }: HarEntry['response']['content']): Stored {
  const bytes = Buffer.from(text ?? '', encoding === 'base64' ? 'base64' : 'utf8')
  return { size: bytes.length, bytes, read: () => chunks(bytes) }
}

async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK)
}

async function* nothing(): AsyncGenerator<Buffer> {}
