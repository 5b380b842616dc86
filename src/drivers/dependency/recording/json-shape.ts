import type { Fault } from '../../../core/errors.ts'
import type { Lines } from './faults.ts'
import type { JsonNode } from './json-tree.ts'

/** What a value of JSON must be. Members that a shape does not name are left alone. */
export type Shape =
  | 'text'
  | 'whole number'
  | 'number'
  | 'base64'
  | 'command value'
  | { one: readonly (string | number)[] }
  | { list: Shape }
  | { object: Record<string, Shape>; may?: Record<string, Shape> }
  | { matches: RegExp; form: string }

/** Every place where a value is not of its shape. */
export function shapeFaults(node: JsonNode, shape: Shape, text: string, file: string, lines: Lines): Fault[] {
  const faults: Fault[] = []
  const fault = (at: number, message: string, hint: string): void => {
    faults.push({ code: 'RECORDING_BAD_FIELD', message, hint, file, ...lines.at(at) })
  }
  const check = (node: JsonNode, shape: Shape, name: string): void => {
    if (typeof shape === 'object' && 'list' in shape) {
      if (node.kind !== 'array') return fault(node.start, `${name} must be a list`, 'write it as [ … ]')
      return node.items.forEach((item, index) => check(item, shape.list, `${name}[${index}]`))
    }
    if (typeof shape === 'object' && 'object' in shape) {
      if (node.kind !== 'object') return fault(node.start, `${name} must be an object`, 'write it as { … }')
      const members = new Map(node.members.map((member) => [member.key, member.value]))
      for (const [key, below] of Object.entries(shape.object)) {
        const member = members.get(key)
        if (member === undefined) fault(node.start, `${name} has no "${key}"`, 'add it, or remove the whole block')
        else check(member, below, `${name}.${key}`)
      }
      for (const [key, below] of Object.entries(shape.may ?? {})) {
        const member = members.get(key)
        if (member !== undefined) check(member, below, `${name}.${key}`)
      }
      return undefined
    }
    if (shape === 'command value') {
      if (node.kind === 'object') return check(node, { object: { base64: 'base64' } }, name)
      const isNull = node.kind === 'literal' && text.slice(node.start, node.end) === 'null'
      if (node.kind === 'string' || isNull) return undefined
      return fault(node.start, `${name} must be a text, null or { "base64": … }`, 'record this exchange again')
    }
    const wrong = scalarFault(node, shape, text.slice(node.start, node.end))
    return wrong === undefined
      ? undefined
      : fault(node.start, `${name} must be ${wrong}`, `write ${wrong} here, or remove the whole block`)
  }
  check(node, shape, 'the recording')
  return faults
}

function scalarFault(
  node: JsonNode,
  shape: Exclude<Shape, 'command value' | { list: Shape } | { object: unknown }>,
  raw: string,
): string | undefined {
  if (shape === 'number') return node.kind === 'number' ? undefined : 'a number'
  if (shape === 'whole number') return node.kind === 'number' && /^-?\d+$/.test(raw) ? undefined : 'a whole number'
  if (shape === 'text') return node.kind === 'string' ? undefined : 'a text in double quotes'
  if (shape === 'base64') return node.kind === 'string' && isBase64(node.value) ? undefined : 'base64'
  if ('matches' in shape) return node.kind === 'string' && shape.matches.test(node.value) ? undefined : shape.form
  return shape.one.some((value) => JSON.stringify(value) === raw)
    ? undefined
    : shape.one.map((value) => JSON.stringify(value)).join(' or ')
}

export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
}
