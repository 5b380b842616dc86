import { hash } from 'node:crypto'
import type { RawHeaders } from '../exchange.ts'
import type { CapturedExchange } from './build-entry.ts'
import type { HarEntry } from './har.ts'
import { isSteadyInAnswer, isSteadyInRequest } from './volatile-headers.ts'

const MOST_REMEMBERED = 10_000

/** Knows the exchanges of a session as they were before redaction, by hashes in memory, so that a service that polls costs a hash and no more. */
export class Repeated {
  readonly #entries = new Map<string, HarEntry>()

  /** The entry of an exchange that was exactly this one; undefined when there was none, or it was not of a kind that is looked up. */
  find(exchange: CapturedExchange): HarEntry | undefined {
    return this.#entries.get(fingerprint(exchange) ?? '')
  }

  remember(exchange: CapturedExchange, entry: HarEntry): void {
    const print = fingerprint(exchange)
    if (print === undefined) return
    if (this.#entries.size >= MOST_REMEMBERED) this.#entries.clear()
    this.#entries.set(print, entry)
  }
}

function fingerprint(exchange: CapturedExchange): string | undefined {
  const { request, requestBody, requestTrailers, response, responseBody, responseTrailers, webSocket, informational } = exchange
  if (requestBody.kind !== 'bytes' || responseBody.kind !== 'bytes' || webSocket !== undefined) return undefined
  const { httpVersion, method, target } = request
  const asked = [
    httpVersion,
    method,
    target,
    steady(request.headers, isSteadyInRequest),
    requestTrailers,
    requestBody.bytes.length,
  ]
  const answered = [
    response.status,
    response.statusText,
    steady(response.headers, isSteadyInAnswer),
    responseTrailers,
    informational,
  ]
  // The text ends where its brackets do, and says how long the first body is.
  const text = Buffer.from(JSON.stringify([asked, answered]))
  return hash('sha256', Buffer.concat([text, requestBody.bytes, responseBody.bytes]), 'base64')
}

function steady(headers: RawHeaders, isSteady: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) if (isSteady(headers[at]!)) kept.push(headers[at]!, headers[at + 1]!)
  return kept
}
