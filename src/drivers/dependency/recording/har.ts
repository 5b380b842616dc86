import type { NameValue } from './redactor.ts'

/** HAR 1.2, as far as a recording uses it. Members that begin with `_` are our own, which HAR allows. */
export interface HarEntry {
  startedDateTime: string
  time: number
  request: HarRequest
  response: HarResponse
  cache: Record<string, never>
  timings: { send: number; wait: number; receive: number }
  /** Where secrets were hidden. */
  _redactions?: string[]
  /** How many times in a row the same answer came; recorded for `ordered` only. */
  _repeats?: number
  /** The messages of a WebSocket, in the form of Chrome's exports. */
  _webSocketMessages?: WebSocketMessage[]
  /** Why the exchange is here without its content, and so cannot be played. */
  _omitted?: string
}

export interface HarRequest {
  method: string
  url: string
  httpVersion: string
  cookies: NameValue[]
  headers: NameValue[]
  queryString: NameValue[]
  headersSize: number
  bodySize: number
  postData?: HarPostData
  _trailers?: NameValue[]
}

export interface HarPostData extends HeldBody {
  mimeType: string
  _encoding?: 'base64'
  /** `sha256:` and the digest of what is compared when a request is matched. */
  _hash?: string
}

export interface HarResponse {
  status: number
  statusText: string
  httpVersion: string
  cookies: NameValue[]
  headers: NameValue[]
  content: HarContent
  redirectURL: string
  headersSize: number
  bodySize: number
  _trailers?: NameValue[]
  /** Interim answers (103), for people; they are not played. */
  _informational?: { status: number; headers: NameValue[] }[]
}

export interface HarContent extends HeldBody {
  size: number
  mimeType: string
  encoding?: 'base64'
}

/** Where the content of a body is: here, in a file of its own, or nowhere. */
export interface HeldBody {
  text?: string
  /** The name of a file in the folder of bodies: the SHA-256 of its content. */
  _file?: string
  _omitted?: string
}

export interface WebSocketMessage {
  type: 'send' | 'receive'
  time: number
  /** 1 text, 2 binary (base64), 8 close (`1000 reason`). */
  opcode: number
  data: string
}

/** Every recorded exchange has this time: a recording says what was answered, not when. */
export const NO_TIME = '1970-01-01T00:00:00.000Z'

const WIDTH = 140

/**
 * A recording as text: one member a line, small objects on one line, and the comma between two entries on a line of its own, so that
 * entries which two people add do not touch the same line.
 */
export function renderHar(entries: readonly HarEntry[]): string {
  const blocks = entries.map((entry) => `      ${pretty(entry, '      ')}`)
  const list = blocks.length === 0 ? '[]' : `[\n${blocks.join('\n      ,\n')}\n    ]`
  return `{
  "log": {
    "version": "1.2",
    "creator": { "name": "shiv", "version": "1" },
    "entries": ${list}
  }
}
`
}

function pretty(value: unknown, indent: string): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  const isList = Array.isArray(value)
  const [open, close] = isList ? ['[', ']'] : ['{', '}']
  if (members.length === 0) return open + close
  const isFlat = members.every(([, member]) => member === null || typeof member !== 'object')
  const label = (key: string): string => (isList ? '' : `${JSON.stringify(key)}: `)
  if (isFlat && (!isList || members.length === 1)) {
    const line = `${open} ${members.map(([key, member]) => label(key) + JSON.stringify(member)).join(', ')} ${close}`
    if (line.length <= WIDTH) return line
  }
  const deeper = `${indent}  `
  const lines = members.map(([key, member]) => deeper + label(key) + pretty(member, deeper))
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`
}

/** Path and query of an entry's address. */
export function targetOf(url: string): string {
  return url.replace(/^[A-Za-z][\w+.-]*:\/\/[^/?#]*/, '').replace(/#.*$/s, '') || '/'
}

/** Fields as they stand on the wire, without pseudo-headers that browsers export. */
export function rawOf(fields: readonly NameValue[]): string[] {
  return fields.filter(({ name }) => !name.startsWith(':')).flatMap(({ name, value }) => [name, value])
}

export function headerOf(fields: readonly NameValue[], name: string): string | undefined {
  const values = fields.filter((field) => field.name.toLowerCase() === name).map((field) => field.value)
  return values.length === 0 ? undefined : values.join(', ')
}
