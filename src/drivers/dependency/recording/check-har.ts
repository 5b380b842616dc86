import type { Fault } from '../../../core/errors.ts'
import { Lines, conflictFault, invalidRecording } from './faults.ts'
import type { HarEntry } from './har.ts'
import { isBase64, shapeFaults, type Shape } from './json-shape.ts'
import { isJsonFault, readJson, type JsonNode } from './json-tree.ts'

const HEADER: Shape = {
  object: {
    name: { matches: /^:?[!#$%&'*+.^`|~\w-]+$/, form: 'the name of a header field' },
    // oxlint-disable-next-line no-control-regex -- a line break in a value would begin another field
    value: { matches: /^[\t\u0020-\u007E\u0080-\u00FF]*$/, form: 'one line of Latin-1' },
  },
}
const HASH: Shape = { matches: /^[0-9a-f]{64}$/, form: 'the SHA-256 that names a file in the folder of bodies' }
const BODY = { text: 'text', _file: HASH, _omitted: 'text' } as const
const MESSAGE: Shape = { object: { type: { one: ['send', 'receive'] }, opcode: 'whole number', data: 'text' } }
const REQUEST: Shape = {
  object: {
    method: { matches: /^[!#$%&'*+.^`|~\w-]+$/, form: 'an HTTP method' },
    url: { matches: /^(?:[A-Za-z][\w+.-]*:\/\/[^/?#]*)?[/?].*$|^[A-Za-z][\w+.-]*:\/\/[^/?#]+$/s, form: 'an address' },
    httpVersion: 'text',
    headers: { list: HEADER },
  },
  may: {
    postData: { object: { mimeType: 'text' }, may: { ...BODY, _encoding: { one: ['base64'] } } },
    _trailers: { list: HEADER },
  },
}
const RESPONSE: Shape = {
  object: {
    status: 'whole number',
    statusText: { matches: /^[^\r\n]*$/, form: 'one line' },
    headers: { list: HEADER },
    content: { object: { size: 'whole number', mimeType: 'text' }, may: { ...BODY, encoding: { one: ['base64'] } } },
  },
  may: { _trailers: { list: HEADER } },
}
const ENTRY: Shape = {
  object: { request: REQUEST, response: RESPONSE },
  may: { _repeats: 'whole number', _webSocketMessages: { list: MESSAGE }, _redactions: { list: 'text' }, _omitted: 'text' },
}
const HAR: Shape = { object: { log: { object: { version: 'text', entries: { list: ENTRY } } } } }

/** Every fault of the text of a HAR, with its place; none means that `parseHar` reads it. */
export function checkHar(text: string, file: string): Fault[] {
  const conflict = conflictFault(text, file)
  if (conflict !== undefined) return [conflict]
  const lines = new Lines(text)
  const tree = readJson(text)
  if (isJsonFault(tree)) {
    const hint = 'a comma, quote or brace is likely to be missing or too much there; take the file from git, or record it again'
    return [{ code: 'RECORDING_NOT_JSON', message: `not JSON: ${tree.message}`, hint, file, ...lines.at(tree.at) }]
  }
  const faults = shapeFaults(tree, HAR, text, file, lines)
  return faults.length > 0 ? faults : entryFaults(tree, text, file, lines)
}

/** The entries of a HAR. Throws RECORDING_INVALID with all faults. */
export function parseHar(text: string, file: string): HarEntry[] {
  const faults = checkHar(text, file)
  if (faults.length > 0) throw invalidRecording(file, faults)
  return (JSON.parse(text) as { log: { entries: HarEntry[] } }).log.entries
}

/** What the shape alone does not say: status, base64. */
function entryFaults(tree: JsonNode, text: string, file: string, lines: Lines): Fault[] {
  const entries = member(member(tree, 'log'), 'entries')
  if (entries?.kind !== 'array') return []
  return entries.items.flatMap((entry) => {
    const faults: Fault[] = []
    const content = member(member(entry, 'response'), 'content')
    const status = member(member(entry, 'response'), 'status')
    if (status !== undefined && !/^(?:101|[2-5]\d\d)$/.test(text.slice(status.start, status.end))) {
      const hint = 'correct it, or remove the whole block'
      faults.push({
        code: 'RECORDING_BAD_FIELD',
        message: 'a status must be 101 or from 200 to 599',
        hint,
        file,
        ...lines.at(status.start),
      })
    }
    const postData = member(member(entry, 'request'), 'postData')
    for (const body of [
      { node: content, encoding: 'encoding' },
      { node: postData, encoding: '_encoding' },
    ]) {
      const encoded = member(body.node, 'text')
      if (member(body.node, body.encoding) === undefined || encoded?.kind !== 'string' || isBase64(encoded.value)) continue
      const message = `a body says ${body.encoding}: base64 and is not`
      faults.push({ code: 'RECORDING_BAD_BASE64', message, hint: 'record this request again', file, ...lines.at(encoded.start) })
    }
    return faults
  })
}

function member(node: JsonNode | undefined, key: string): JsonNode | undefined {
  return node?.kind === 'object' ? node.members.find((entry) => entry.key === key)?.value : undefined
}
