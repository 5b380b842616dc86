import type { CommandFrame, CommandValue } from '../recording/command-exchange.ts'
import type { RespValue } from './read-resp.ts'

/** A part of a recording that is none of Redis. */
export class UnknownReply extends Error {}

/** What the protocol calls its types. */
const KINDS: Record<string, string> = {
  '+': 'simple',
  '-': 'error',
  ':': 'integer',
  $: 'bulk',
  ',': 'double',
  '#': 'boolean',
  '(': 'big number',
  '!': 'blob error',
  '=': 'verbatim',
  '*': 'array',
  '~': 'set',
  '%': 'map',
}
const TYPES = new Map(Object.entries(KINDS).map(([type, kind]) => [kind, type]))
const BULKS = new Set(['$', '!', '='])

/** Says what a value within an answer is called, by its place (from outside to inside) and the text of what stands before it. */
export type NameOf = (place: readonly number[], before: string | undefined) => string | undefined

/** An answer as parts of a recording: a list of bulks is one part, anything else that holds others is followed by them. */
export function replyFrames(reply: RespValue, nameOf: NameOf): CommandFrame[] {
  const frames: CommandFrame[] = []
  const valueOf = (value: RespValue, place: number[], before: string | undefined): CommandValue => {
    const name = nameOf(place, before)
    return { ...(name !== undefined && { name }), value: value.text ?? null }
  }
  const visit = (value: RespValue, place: number[], before: string | undefined): void => {
    const { type, items } = value
    if (type === '_') frames.push({ kind: 'null', values: [] })
    else if (items === undefined) frames.push({ kind: KINDS[type] ?? type, values: [valueOf(value, place, before)] })
    else if (items === null) frames.push({ kind: 'null array', values: [] })
    else {
      const textBefore = (at: number): string | undefined => items[at - 1]?.text?.toString('utf8')
      const isList = type === '*' && items.length > 0 && items.every((item) => item.type === '$')
      if (isList)
        return void frames.push({ kind: 'array', values: items.map((item, at) => valueOf(item, [...place, at], textBefore(at))) })
      frames.push({ kind: `${KINDS[type] ?? type} of`, values: [{ value: Buffer.from(String(items.length)) }] })
      items.forEach((item, at) => visit(item, [...place, at], textBefore(at)))
    }
  }
  visit(reply, [], undefined)
  return frames
}

/** Parts of a recording as the answer that they were. Throws UnknownReply. */
export function writeReply(frames: readonly CommandFrame[]): Buffer {
  const out: Buffer[] = []
  for (const { kind, values } of frames) {
    if (kind === 'null') out.push(Buffer.from('_\r\n'))
    else if (kind === 'null array') out.push(Buffer.from('*-1\r\n'))
    else if (kind === 'array') out.push(Buffer.from(`*${values.length}\r\n`), ...values.map(({ value }) => bulk('$', value)))
    else if (kind.endsWith(' of')) {
      const type = TYPES.get(kind.slice(0, -3))
      const count = Number(values[0]?.value?.toString() ?? '')
      if (type === undefined || !Number.isSafeInteger(count)) throw unknown(kind)
      out.push(Buffer.from(`${type}${type === '%' ? count / 2 : count}\r\n`))
    } else {
      const type = TYPES.get(kind)
      const value = values[0]?.value ?? null
      if (type === undefined) throw unknown(kind)
      out.push(
        BULKS.has(type) ? bulk(type, value) : Buffer.concat([Buffer.from(type), value ?? Buffer.alloc(0), Buffer.from('\r\n')]),
      )
    }
  }
  return Buffer.concat(out)
}

function bulk(type: string, value: Buffer | null): Buffer {
  if (value === null) return Buffer.from(`${type}-1\r\n`)
  return Buffer.concat([Buffer.from(`${type}${value.length}\r\n`), value, Buffer.from('\r\n')])
}

function unknown(kind: string): UnknownReply {
  return new UnknownReply(`the recording has a part "${kind}", which is none of Redis`)
}
