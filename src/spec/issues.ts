import type { z } from 'zod'
import type { Fault } from '../core/errors.ts'
import { didYouMean } from '../core/suggest.ts'
import { faultAt, MAX_FAULTS } from './source.ts'
import type { FaultText, Span } from './source.ts'
import { keySpan, toPlain, treeAt, valueSpan } from './tree.ts'
import type { ListTree, MapTree, Path, Tree } from './tree.ts'

type Issue = z.core.$ZodIssue

/** A value that satisfies `schema`, with what was wrong left out. */
export interface Checked<Value> {
  data: Value
  /** The tree of `data`: indexes of lists count what was kept. */
  tree: MapTree
  /** Top-level fields of which something was left out. */
  incomplete: Set<string>
}

/**
 * Checks a tree against a schema. Everything wrong goes to `faults`. What is right is handed on all the same, so that
 * later checks see the rest of the file in the same run, with a stand-in for a required top-level field that is missing
 * or wrong; undefined when nothing usable is left.
 */
export function checkTree<Value>(
  schema: z.ZodType<Value>,
  tree: MapTree,
  faults: Fault[],
  standIns: Record<string, string> = {},
): Checked<Value> | undefined {
  let result = schema.safeParse(toPlain(tree))
  if (result.success) return { data: result.data, tree, incomplete: new Set() }
  faults.push(...result.error.issues.slice(0, MAX_FAULTS).flatMap((issue) => faultsOfIssue(issue, tree)))
  const incomplete = new Set<string>()
  let rest = tree
  for (let round = 0; round < 5 && !result.success; round++) {
    const wrong = result.error.issues.flatMap((issue) => wrongPaths(issue, rest))
    for (const path of wrong) incomplete.add(String(path[0]))
    rest = without(rest, wrong) as MapTree
    for (const [name, text] of Object.entries(standIns)) if (!rest.entries.has(name)) addText(rest, name, text)
    result = schema.safeParse(toPlain(rest))
  }
  return result.success ? { data: result.data, tree: rest, incomplete } : undefined
}

/** The faults of a zod issue: at the key for unknown fields, at the value for wrong values, at the parent for missing ones. */
export function faultsOfIssue(issue: Issue, tree: Tree): Fault[] {
  const path = issue.path as Path
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.slice(0, MAX_FAULTS).map((key) => unknownField(key, path, issue.message.split(' '), tree))
    case 'invalid_union':
      return faultsOfUnion(issue, tree)
    case 'invalid_key':
      return issue.issues.map((inner) => faultAt(keySpan(tree, path), textOf(inner, String(path.at(-1)))))
    case 'custom':
      return [faultAt(customSpan(tree, path), textOf(issue, labelOf(path)))]
    default:
      if (treeAt(tree, path) === undefined) return [missingField(path, tree)]
      if (issue.code === 'invalid_type') return [wrongType([issue.expected], path, tree)]
      return [faultAt(valueSpan(tree, path), textOf(issue, labelOf(path)))]
  }
}

/** A rule over a whole map points at the map's key; a rule of one value at the value. */
function customSpan(tree: Tree, path: Path): Span {
  return treeAt(tree, path)?.kind === 'scalar' ? valueSpan(tree, path) : keySpan(tree, path)
}

function unknownField(key: string, path: Path, known: string[], tree: Tree): Fault {
  const where = path.length === 0 ? '' : ` in ${labelOf(path)}`
  const hint =
    key === '<<' ? 'merge keys are not YAML 1.2: repeat the fields, or use *alias for a whole value' : didYouMean(key, known)
  return faultAt(keySpan(tree, [...path, key]), { code: 'SPEC_UNKNOWN_FIELD', message: `unknown field "${key}"${where}`, hint })
}

function missingField(path: Path, tree: Tree): Fault {
  const name = String(path.at(-1))
  const parent = path.slice(0, -1)
  const where = parent.length === 0 ? '' : ` in ${labelOf(parent)}`
  const isReason = name === 'why' && parent[0] === 'patches'
  const hint = isReason
    ? 'say why the patch is needed; it is printed wherever it applies'
    : `add a line such as: ${name}: …`.replace('…', 'VALUE')
  return faultAt(keySpan(tree, parent), { code: 'SPEC_MISSING_FIELD', message: `"${name}" is missing${where}`, hint })
}

/** Of a union the branch is taken whose type the user meant; when none fits in type, all types are named. */
function faultsOfUnion(issue: z.core.$ZodIssueInvalidUnion, tree: Tree): Fault[] {
  const path = issue.path as Path
  if (treeAt(tree, path) === undefined) return [missingField(path, tree)]
  const meant = meantBranch(issue)
  if (meant !== undefined) return meant.flatMap((inner) => faultsOfIssue(below(inner, path), tree))
  const values = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_value' ? inner.values : []))
  if (values.length > 0 && treeAt(tree, path)?.kind === 'scalar') {
    return [
      faultAt(
        valueSpan(tree, path),
        textOf({ code: 'invalid_value', values, path: issue.path, message: '' } as Issue, labelOf(path), tree),
      ),
    ]
  }
  return [wrongType(issue.errors.flat().flatMap(expectedOf), path, tree)]
}

function meantBranch(issue: z.core.$ZodIssueInvalidUnion): Issue[] | undefined {
  return issue.errors.find((branch) => !branch.some(isOfOtherType))
}

/** The issue of a branch as one of the whole. */
function below(issue: Issue, path: Path): Issue {
  return { ...issue, path: [...path, ...issue.path] } as Issue
}

function isOfOtherType(issue: Issue): boolean {
  if (issue.path.length > 0) return false
  if (issue.code === 'invalid_union') return issue.errors.every((branch) => branch.some(isOfOtherType))
  return issue.code === 'invalid_type' || issue.code === 'invalid_value'
}

function expectedOf(issue: Issue): string[] {
  if (issue.code === 'invalid_type' && issue.path.length === 0) return [issue.expected]
  if (issue.code === 'invalid_union' && issue.path.length === 0) return issue.errors.flat().flatMap(expectedOf)
  return []
}

const TYPE_NAMES: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  map: 'a map',
  array: 'a list',
  list: 'a list',
}

function wrongType(expected: string[], path: Path, tree: Tree): Fault {
  const found = treeAt(tree, path)!
  const actual = found.kind === 'scalar' ? (found.value === null ? 'null' : typeof found.value) : found.kind
  const wanted = [...new Set(expected.map((type) => TYPE_NAMES[type] ?? type))]
  const isEmpty = actual === 'null'
  const message = `${labelOf(path)} ${isEmpty ? 'has no value' : `must be ${wanted.join(' or ')}, not ${TYPE_NAMES[actual] ?? actual}`}`
  return faultAt(isEmpty ? keySpan(tree, path) : found.span, { code: 'SPEC_WRONG_TYPE', message, hint: typeHint(wanted, found) })
}

function typeHint(wanted: string[], found: Tree): string | undefined {
  if (found.kind === 'list' && wanted.includes('a map')) return 'remove the dashes: write key: value'
  if (found.kind === 'map' && wanted.includes('a list')) return 'put "- " before each item'
  if (found.kind !== 'scalar') return `write ${wanted.join(' or ')} here`
  if (found.value === null)
    return `write ${wanted.includes('text') ? 'a value after the colon ("" for empty text)' : wanted.join(' or ')}, or remove the line`
  const isNumber = wanted.some((name) => name.includes('number'))
  if (isNumber && typeof found.value === 'string' && /^\d+(\.\d+)?$/.test(found.value))
    return `write it without quotes: ${found.value}`
  if (wanted.includes('text')) return `put it in quotes: "${found.text}"`
  if (wanted.includes('a list')) return `write it as a list: [${found.text}]`
  if (wanted.includes('a map') && /^\w[\w-]*$/.test(found.text)) return `write it as a map, for example: ${found.text}: VALUE`
  return `write ${wanted.join(' or ')} here`
}

/** Code, words and hint of an issue about one value. */
function textOf(issue: Issue, label: string, tree?: Tree): FaultText {
  const params = issue.code === 'custom' ? (issue.params as { code?: string; hint?: string } | undefined) : undefined
  if (params?.code !== undefined) return { code: params.code, message: issue.message, hint: params.hint }
  if (issue.code === 'too_small' && issue.origin !== 'number') {
    return { code: 'SPEC_EMPTY_VALUE', message: `${label} is empty`, hint: 'give it a value, or remove the line' }
  }
  if (issue.code === 'too_small') return outOfRange(label, `at least ${issue.minimum}`)
  if (issue.code === 'too_big') return outOfRange(label, `at most ${issue.maximum}`)
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String)
    const found = tree && treeAt(tree, issue.path as Path)
    const hint = found?.kind === 'scalar' ? didYouMean(found.text, values) : undefined
    return {
      code: 'SPEC_BAD_VALUE',
      message: `${label} must be one of: ${values.join(', ')}`,
      hint: hint ?? `write one of: ${values.join(', ')}`,
    }
  }
  if (issue.code === 'invalid_format') {
    return {
      code: 'SPEC_BAD_FORMAT',
      message: `${label} is not written in the right form`,
      hint: `it must match ${issue.pattern ?? issue.format}`,
    }
  }
  return { code: 'SPEC_BAD_VALUE', message: `${label}: ${issue.message}`, hint: 'see docs/service-yaml.md' }
}

function outOfRange(label: string, bound: string): FaultText {
  return { code: 'SPEC_OUT_OF_RANGE', message: `${label} must be ${bound}`, hint: `write a number that is ${bound}` }
}

/** `databases[0].postgres`; of an override as of the field that it overrides, so that one fault is told once. */
export function labelOf(path: Path): string {
  const field = path[0] === 'environments' && path.length > 2 ? path.slice(2) : path
  return field.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('')
}

/** What has to go so that the rest satisfies the schema. */
function wrongPaths(issue: Issue, tree: Tree): Path[] {
  const path = issue.path as Path
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...path, key])
  const meant = issue.code === 'invalid_union' ? meantBranch(issue) : undefined
  if (meant !== undefined) return meant.flatMap((inner) => wrongPaths(below(inner, path), tree))
  if (issue.code === 'custom' && treeAt(tree, path)?.kind !== 'scalar') return [path]
  const isMissing = treeAt(tree, path) === undefined
  return [isMissing && path.length > 1 ? path.slice(0, -1) : path]
}

function addText(tree: MapTree, name: string, text: string): void {
  const key = keySpan(tree, [])
  tree.entries.set(name, { key, value: { kind: 'scalar', span: key, value: text, text } })
}

function without(tree: Tree, wrong: Path[]): Tree {
  if (tree.kind === 'scalar' || wrong.length === 0) return tree
  const isGone = (step: string | number) => wrong.some((path) => path.length === 1 && String(path[0]) === String(step))
  const below = (step: string | number) =>
    wrong.filter((path) => path.length > 1 && String(path[0]) === String(step)).map((path) => path.slice(1))
  if (tree.kind === 'list') {
    const items = tree.items.flatMap((item, index) => (isGone(index) ? [] : [without(item, below(index))]))
    return { ...tree, items } satisfies ListTree
  }
  const kept = [...tree.entries].filter(([key]) => !isGone(key))
  return { ...tree, entries: new Map(kept.map(([key, entry]) => [key, { ...entry, value: without(entry.value, below(key)) }])) }
}
