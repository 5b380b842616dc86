import type { CanonicalBody, Field } from './canonical.ts'
import { differences } from './differences.ts'
import { countedHeaders, recordedRequest, type ComparedRequest, type Ignored } from './har-form.ts'
import { targetOf, type HarEntry } from './har.ts'
import { fitsPlaceholders } from './placeholder.ts'
import type { NameValue } from './redactor.ts'

/** A request that asks for its recorded answer, redacted. */
export interface Asked extends ComparedRequest {
  headers: readonly NameValue[]
}

export interface Recorded {
  entry: HarEntry
  request: ComparedRequest
}

/** Finds what was recorded for a request. */
export class Matcher {
  readonly #ignored: Ignored
  readonly #known = new WeakMap<HarEntry, Recorded>()
  #entries: readonly HarEntry[] = []
  #exact = new Map<string, Recorded[]>()
  /** Those with a placeholder where something is compared: it stands for any value. */
  #loose: Recorded[] = []

  constructor(ignored: Ignored) {
    this.#ignored = ignored
  }

  /** From now on these; costs nothing when they are the same list. */
  use(entries: readonly HarEntry[]): void {
    if (entries === this.#entries) return
    this.#entries = entries
    this.#exact = new Map()
    this.#loose = []
    for (const entry of entries) {
      const recorded = this.#recorded(entry)
      const key = exactKey(recorded.request, recorded.request.hash)
      const same = this.#exact.get(key)
      if (same === undefined) this.#exact.set(key, [recorded])
      else same.push(recorded)
      if (isLoose(recorded.request)) this.#loose.push(recorded)
    }
  }

  /** The recorded answers to equal requests, in order; none when nothing fits. An exact request comes before one that fits a placeholder. */
  find(asked: Asked): Recorded[] {
    const exact = new Set([exactKey(asked, asked.hash), exactKey(asked, asked.wholeHash)])
    const found = [...exact].flatMap((key) => this.#exact.get(key) ?? []).filter((recorded) => this.#headersFit(asked, recorded))
    if (found.length > 0) return found
    const [best] = this.#loose
      .filter((recorded) => looselyFits(asked, recorded.request) && this.#headersFit(asked, recorded))
      .sort((a, b) => literalLength(b.request) - literalLength(a.request))
    if (best === undefined) return []
    const key = exactKey(best.request, best.request.hash)
    return this.#loose.filter(
      (recorded) => exactKey(recorded.request, recorded.request.hash) === key && this.#headersFit(asked, recorded),
    )
  }

  /** Why nothing fits: the recorded request that is most like it, and what differs. */
  explain(asked: Asked): { message: string; nearest?: string; difference: string[] } {
    const what = `${asked.method} ${asked.path}`
    let nearest: { recorded: Recorded; likeness: number } | undefined
    for (const entry of this.#entries) {
      const recorded = this.#recorded(entry)
      const likeness = likenessOf(asked, recorded.request)
      if (nearest === undefined || likeness > nearest.likeness) nearest = { recorded, likeness }
    }
    if (nearest === undefined) return { message: `No ${what} is recorded; the recording is empty.`, difference: [] }
    const { entry, request } = nearest.recorded
    const counted = countedHeaders(entry, asked.headers, this.#ignored)
    const kept = countedHeaders(entry, entry.request.headers, this.#ignored)
    const { lines, parts } = differences({ ...asked, headers: counted }, { ...request, headers: kept })
    const isSamePath = request.path === asked.path && request.method === asked.method
    const message =
      isSamePath && parts.length > 0 ? `No recorded ${what} has this ${parts.join(' and this ')}.` : `No ${what} is recorded.`
    return { message, nearest: `${entry.request.method} ${targetOf(entry.request.url)}`, difference: lines }
  }

  #recorded(entry: HarEntry): Recorded {
    const known = this.#known.get(entry)
    if (known !== undefined) return known
    const recorded = { entry, request: recordedRequest(entry, this.#ignored) }
    this.#known.set(entry, recorded)
    return recorded
  }

  #headersFit(asked: Asked, { entry }: Recorded): boolean {
    const wanted = new Map(countedHeaders(entry, entry.request.headers, this.#ignored))
    return countedHeaders(entry, asked.headers, this.#ignored).every(([name, value]) =>
      fitsPlaceholders(wanted.get(name) ?? '', value),
    )
  }
}

function exactKey({ method, path, query }: ComparedRequest, hash: string): string {
  return JSON.stringify([method, path, query, hash])
}

function isLoose({ path, query, body }: ComparedRequest): boolean {
  return path.includes('REDACTED') || [...query, ...(body?.fields ?? [])].some(([, value]) => value.includes('REDACTED'))
}

function looselyFits(asked: Asked, recorded: ComparedRequest): boolean {
  if (asked.method !== recorded.method || !segmentsFit(recorded.path, asked.path) || !fieldsFit(recorded.query, asked.query))
    return false
  if (recorded.body === undefined) return recorded.wholeHash === asked.wholeHash
  return asked.body !== undefined && bodyFits(recorded.body, asked.body)
}

/** Whether a body, or a message, is the recorded one, placeholders aside. */
export function bodyFits(recorded: CanonicalBody, asked: CanonicalBody): boolean {
  return asked.kind === recorded.kind && fieldsFit(recorded.fields, asked.fields)
}

function segmentsFit(recorded: string, asked: string): boolean {
  const wanted = recorded.split('/')
  const segments = asked.split('/')
  return wanted.length === segments.length && wanted.every((segment, at) => fitsPlaceholders(segment, segments[at] ?? ''))
}

function fieldsFit(recorded: readonly Field[], asked: readonly Field[]): boolean {
  if (recorded.length !== asked.length) return false
  return recorded.every(([name, value], at) => {
    const [askedName, askedValue] = asked[at] ?? ['', '']
    return fitsPlaceholders(name, askedName) && fitsPlaceholders(value, askedValue)
  })
}

function literalLength({ path, query, body }: ComparedRequest): number {
  const texts = [path, ...query.map(([, value]) => value), ...(body?.fields ?? []).map(([, value]) => value)]
  return texts.reduce((sum, text) => sum + text.replaceAll('REDACTED', '').length, 0)
}

/** Larger is more alike: the path counts most, then method, query and body. */
function likenessOf(asked: Asked, recorded: ComparedRequest): number {
  const wanted = recorded.path.split('/')
  const segments = asked.path.split('/')
  const same = segments.filter((segment, at) => wanted[at] !== undefined && fitsPlaceholders(wanted[at], segment)).length
  const path = same / Math.max(wanted.length, segments.length)
  const method = recorded.method === asked.method ? 1 : 0
  const body = recorded.hash === asked.hash ? 1 : shared(recorded.body?.fields ?? [], asked.body?.fields ?? [])
  return path * 8 + method * 3 + shared(recorded.query, asked.query) * 2 + body * 2
}

/** The part of two lists of fields that both have: a name alone counts half. */
function shared(a: readonly Field[], b: readonly Field[]): number {
  if (a.length === 0 && b.length === 0) return 1
  const values = new Map(a)
  let sum = 0
  for (const [name, value] of b) if (values.has(name)) sum += values.get(name) === value ? 1 : 0.5
  return sum / Math.max(a.length, b.length)
}
