import { isAlias, isMap, isPair, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node, YAMLMap } from 'yaml'
import type { Fault } from '../core/errors.ts'
import { faultAt, MAX_FAULTS } from './source.ts'
import type { Source, Span } from './source.ts'
import { faultOfYaml } from './yaml-fault.ts'

/** A YAML value that knows where it was written. Aliases are resolved: two places may share one tree. */
export type Tree = MapTree | ListTree | ScalarTree

export interface MapTree {
  kind: 'map'
  span: Span
  entries: Map<string, Entry>
}

export interface ListTree {
  kind: 'list'
  span: Span
  items: Tree[]
}

export interface ScalarTree {
  kind: 'scalar'
  span: Span
  value: string | number | boolean | null
  /** As written, without quotes: `1.10` where the value is 1.1. */
  text: string
}

export interface Entry {
  key: Span
  value: Tree
}

export type Path = readonly (string | number)[]

const MAX_DEPTH = 64
const MAX_ALIASED_NODES = 10_000

/**
 * Parses one YAML document whose top is a map. Syntax errors, duplicate keys, several documents, alias bombs and
 * `__proto__` go to `faults`. The result is undefined when there is no map to go on with.
 */
export function parseTree(source: Source, faults: Fault[]): MapTree | undefined {
  // uniqueKeys compares each key with each other; the builder finds duplicates in linear time.
  const document = parseDocument(source.text, { uniqueKeys: false, prettyErrors: false })
  for (const problem of [...document.errors, ...document.warnings].slice(0, MAX_FAULTS)) faults.push(faultOfYaml(problem, source))
  if (document.errors.some((error) => error.code !== 'MULTIPLE_DOCS')) return undefined
  const whole = { source, start: 0, end: 0 }
  if (document.contents === null || source.text.trim() === '') {
    faults.push(
      faultAt(whole, {
        code: 'SPEC_EMPTY',
        message: 'the file is empty',
        hint: 'the least it needs is a line such as: name: orders',
      }),
    )
    return undefined
  }
  const tree = new TreeBuilder(document, source, faults).build()
  if (tree.kind === 'map') return tree
  const message = `the file must be a map of fields, not ${tree.kind === 'list' ? 'a list' : 'a single value'}`
  faults.push(faultAt(tree.span, { code: 'SPEC_WRONG_TYPE', message, hint: 'begin with a line such as: name: orders' }))
  return undefined
}

class TreeBuilder {
  private readonly anchors = new Map<string, { tree: Tree; size: number }>()
  private aliased = 0
  private size = 0
  private found = 0
  private bombed = false

  private readonly document: Document.Parsed
  private readonly source: Source
  private readonly faults: Fault[]

  constructor(document: Document.Parsed, source: Source, faults: Fault[]) {
    this.document = document
    this.source = source
    this.faults = faults
  }

  build(): Tree {
    return this.tree(this.document.contents as Node, 0)
  }

  private tree(node: Node | null, depth: number, fallback?: Span): Tree {
    if (node === null) return { kind: 'scalar', span: fallback!, value: null, text: '' }
    const before = this.size
    this.size += 1
    const tree = isAlias(node) ? this.aliasTree(node.source, this.span(node)) : this.ownTree(node, depth)
    if (!isAlias(node) && 'anchor' in node && node.anchor) this.anchors.set(node.anchor, { tree, size: this.size - before })
    return tree
  }

  private ownTree(node: Node, depth: number): Tree {
    const span = this.span(node)
    if (depth > MAX_DEPTH) {
      this.fault(span, 'SPEC_TOO_DEEP', `nested deeper than ${MAX_DEPTH} levels`, 'flatten it')
      return { kind: 'scalar', span, value: null, text: '' }
    }
    if (isMap(node)) return { kind: 'map', span, entries: this.entries(node, depth) }
    if (isSeq(node)) {
      const items = node.items.map((item) => this.tree(isPair(item) ? null : (item as Node | null), depth + 1, span))
      return { kind: 'list', span, items }
    }
    const value = isScalar(node) ? node.value : undefined
    const isPlain = value === null || ['string', 'number', 'boolean'].includes(typeof value)
    if (!isPlain)
      this.fault(span, 'SPEC_WRONG_TYPE', 'this kind of YAML value is not used here', 'write text, a number, true or false')
    const text = typeof value === 'string' ? value : ((isScalar(node) ? node.source : undefined) ?? '')
    return { kind: 'scalar', span, value: isPlain ? (value as ScalarTree['value']) : null, text }
  }

  private entries(map: YAMLMap, depth: number): Map<string, Entry> {
    const entries = new Map<string, Entry>()
    for (const { key, value } of map.items) {
      const node = key as Node | null
      const span = node?.range ? this.span(node) : this.span(map)
      if (!isScalar(node)) {
        this.fault(span, 'SPEC_BAD_KEY', 'a key must be plain text', 'write it as: key: value')
        continue
      }
      const name = typeof node.value === 'string' ? node.value : (node.source ?? '')
      if (name === '__proto__') {
        this.fault(span, 'SPEC_FORBIDDEN_KEY', 'the key "__proto__" is not allowed', 'choose another name')
        continue
      }
      const first = entries.get(name)
      if (first !== undefined) {
        const line = this.source.lines.linePos(first.key.start).line
        this.fault(span, 'SPEC_DUPLICATE_KEY', `"${name}" is here twice; the first is on line ${line}`, 'keep one of them')
        continue
      }
      entries.set(name, { key: span, value: this.tree(value as Node | null, depth + 1, span) })
    }
    return entries
  }

  /** An anchor's size counts what its own aliases stand for, so that a bomb is known before anything expands it. */
  private aliasTree(name: string, span: Span): Tree {
    const nothing: Tree = { kind: 'scalar', span, value: null, text: '' }
    const anchor = this.anchors.get(name)
    if (anchor === undefined) {
      this.fault(
        span,
        'SPEC_UNKNOWN_ALIAS',
        `the alias "*${name}" names no anchor above it`,
        `put &${name} before the value that it should repeat`,
      )
      return nothing
    }
    this.aliased += anchor.size
    this.size += anchor.size
    if (this.aliased <= MAX_ALIASED_NODES) return anchor.tree
    if (!this.bombed) {
      this.fault(
        span,
        'SPEC_ALIAS_BOMB',
        `the aliases of this file stand for more than ${MAX_ALIASED_NODES} values`,
        'write the values out, or use fewer aliases',
      )
    }
    this.bombed = true
    return nothing
  }

  private span(node: Node): Span {
    const [start, end] = node.range ?? [0, 0]
    return { source: this.source, start, end }
  }

  private fault(span: Span, code: string, message: string, hint: string): void {
    this.found += 1
    if (this.found <= MAX_FAULTS) this.faults.push(faultAt(span, { code, message, hint }))
  }
}

/** The plain value: maps become objects, without positions. */
export function toPlain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(toPlain)
  return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, toPlain(entry.value)]))
}

/** What is at `path`, or undefined when nothing was written there. */
export function treeAt(tree: Tree, path: Path): Tree | undefined {
  let at: Tree | undefined = tree
  for (const step of path) {
    if (at?.kind === 'map') at = at.entries.get(String(step))?.value
    else if (at?.kind === 'list') at = at.items[Number(step)]
    else return undefined
  }
  return at
}

/** Where the value at `path` was written; of a path that leads nowhere the nearest parent's key. */
export function valueSpan(tree: Tree, path: Path): Span {
  const found = treeAt(tree, path)
  return found === undefined ? keySpan(tree, path.slice(0, -1)) : found.span
}

/** Where the key at `path` was written; of a list item the item itself; of the top the file's first field. */
export function keySpan(tree: Tree, path: Path): Span {
  if (path.length === 0) return tree.kind === 'map' ? ([...tree.entries.values()][0]?.key ?? tree.span) : tree.span
  const parent = treeAt(tree, path.slice(0, -1))
  const last = path.at(-1)!
  if (parent?.kind === 'map') {
    const entry = parent.entries.get(String(last))
    if (entry !== undefined) return entry.key
  }
  const item = parent?.kind === 'list' ? parent.items[Number(last)] : undefined
  return item?.span ?? keySpan(tree, path.slice(0, -1))
}

/** The scalar's text as written, so that `1.10` stays `1.10`; undefined when there is no scalar. */
export function textAt(tree: Tree, path: Path): string | undefined {
  const found = treeAt(tree, path)
  return found?.kind === 'scalar' && found.value !== null ? found.text : undefined
}
