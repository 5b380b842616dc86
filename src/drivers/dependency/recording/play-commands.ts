import type { RecordingRules } from '../../../plan/remote.ts'
import type { Unmatched } from '../exchange.ts'
import { lineForm, valueBytes, type CommandLine } from './command-lines.ts'
import type { CommandAnswer, CommandFrame, CommandPlayer, CommandRequest } from './command-exchange.ts'
import { makeLine } from './make-line.ts'
import { fitsPlaceholders, hasPlaceholder, withoutNumbers } from './placeholder.ts'
import type { RedactionRules } from './redaction-rules.ts'
import { Redactor } from './redactor.ts'
import type { Store } from './store.ts'

/** Answers commands from the lines of a recording. */
export class LinePlayer implements CommandPlayer {
  readonly #store: Store<CommandLine>
  readonly #dependency: string
  readonly #order: RecordingRules['order']
  readonly #redaction: RedactionRules
  readonly #answered = new Map<string, number>()
  #indexed: { lines: readonly CommandLine[]; byKey: Map<string, CommandLine[]> } | undefined

  constructor(store: Store<CommandLine>, dependency: string, order: RecordingRules['order'], redaction: RedactionRules) {
    this.#store = store
    this.#dependency = dependency
    this.#order = order
    this.#redaction = redaction
  }

  async answer(request: CommandRequest): Promise<CommandAnswer> {
    const lines = await this.#store.items()
    const asked = makeLine(request, [], new Redactor(this.#redaction))
    const exact = this.#indexOf(lines).get(withoutNumbers(lineForm.keyOf(asked))) ?? []
    const found = exact.length > 0 ? exact : loose(lines, asked)
    const line = found.length === 0 ? undefined : nextOf(found, this.#order, this.#answered)
    const hint = `shiv proxy mode ${this.#dependency} record`
    if (line === undefined) return { unmatched: { ...explain(lines, asked), hint } }
    if (line.omitted !== undefined) {
      const message = `${short(line.command)} was left out of the recording: ${line.omitted}.`
      return { unmatched: { message, difference: [], hint: `shiv proxy mode ${this.#dependency} staging` } }
    }
    return { matched: framesOf(line) }
  }

  async first(protocol: string, way: string): Promise<CommandFrame[] | undefined> {
    const line = (await this.#store.items()).find((one) => one.protocol === protocol && one.way === way)
    return line && framesOf(line)
  }

  /** By key; made anew when the recording changed. */
  #indexOf(lines: readonly CommandLine[]): Map<string, CommandLine[]> {
    if (this.#indexed?.lines === lines) return this.#indexed.byKey
    const byKey = new Map<string, CommandLine[]>()
    for (const line of lines) {
      const key = withoutNumbers(lineForm.keyOf(line))
      const group = byKey.get(key)
      if (group === undefined) byKey.set(key, [line])
      else group.push(line)
    }
    this.#indexed = { lines, byKey }
    return byKey
  }
}

function framesOf({ response }: CommandLine): CommandFrame[] {
  return response.map(({ kind, values }) => ({ kind, values: values.map((value) => ({ value: valueBytes(value) })) }))
}

/** Which of the answers to equal requests comes now. */
export function nextOf(
  found: readonly CommandLine[],
  order: RecordingRules['order'],
  answered: Map<string, number>,
): CommandLine | undefined {
  const [first] = found
  if (order !== 'ordered' || first === undefined) return found.at(-1)
  const key = lineForm.keyOf(first)
  const count = answered.get(key) ?? 0
  answered.set(key, count + 1)
  let passed = 0
  return found.find((line) => count < (passed += lineForm.repeatsOf(line))) ?? found.at(-1)
}

function isAlike(line: CommandLine, asked: CommandLine): boolean {
  return line.protocol === asked.protocol && line.way === asked.way
}

function loose(lines: readonly CommandLine[], asked: CommandLine): CommandLine[] {
  const best = lines.find((line) => {
    const isSame = isAlike(line, asked) && line.parameters?.hash === asked.parameters?.hash
    return isSame && hasPlaceholder(line.command) && fitsPlaceholders(line.command, asked.command)
  })
  return best === undefined ? [] : lines.filter((line) => lineForm.keyOf(line) === lineForm.keyOf(best))
}

function explain(lines: readonly CommandLine[], asked: CommandLine): Omit<Unmatched, 'hint'> {
  const words = new Set(asked.command.split(/\s+/))
  const likeness = (line: CommandLine): number => {
    const others = line.command.split(/\s+/)
    const shared = others.filter((word) => words.has(word)).length / Math.max(words.size, others.length)
    return shared + (line.way === asked.way ? 0.001 : 0)
  }
  const [nearest] = lines
    .filter(({ protocol, way }) => protocol === asked.protocol && way !== 'startup')
    .map((line) => ({ line, like: likeness(line) }))
    .toSorted((a, b) => b.like - a.like)
    .map(({ line }) => line)
  if (nearest === undefined) return { message: `No recorded command is ${short(asked.command)}: there is none.`, difference: [] }
  const named = { nearest: short(nearest.command) }
  if (nearest.command !== asked.command) {
    const difference = [`command: ${short(asked.command)}`, `recorded: ${short(nearest.command)}`]
    return { message: `No recorded command is ${short(asked.command)}.`, ...named, difference }
  }
  if (nearest.way !== asked.way && nearest.parameters?.hash === asked.parameters?.hash) {
    const difference = [`asked: ${asked.way ?? 'prepared'}, recorded ${nearest.way ?? 'prepared'}`]
    return { message: `No recorded ${short(asked.command)} was asked in this way.`, ...named, difference }
  }
  const [mine, theirs] = [asked.parameters?.count ?? 0, nearest.parameters?.count ?? 0]
  const difference = [
    mine === theirs ? 'parameters: other values than any that are recorded' : `parameters: ${mine}, recorded ${theirs}`,
  ]
  return { message: `No recorded ${short(asked.command)} has these parameters.`, ...named, difference }
}

function short(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`
}
