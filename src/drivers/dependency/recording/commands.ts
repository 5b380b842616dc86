import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import type { RecordingRules } from '../../../plan/remote.ts'
import type { Unmatched } from '../exchange.ts'
import { sha256 } from './canonical.ts'
import { lineForm, lineValue, valueBytes, type CommandLine, type LineFrame } from './command-lines.ts'
import { KnownSecrets, Placeholders, fitsPlaceholders, hasPlaceholder, withoutNumbers } from './placeholder.ts'
import { compileRedaction, type RedactionRules } from './redaction-rules.ts'
import { Redactor } from './redactor.ts'
import { parameterNames } from './sql-names.ts'
import { storeOf, type Store } from './store.ts'

/** Bytes of a protocol; `name` (a column's, a field's) is for redaction only and is not recorded. */
export interface CommandValue {
  name?: string
  value: Buffer | null
}

/** One part of an answer in its protocol, taken apart so far that its values can be replaced: a row and its columns, a reply and its elements. */
export interface CommandFrame {
  /** The protocol's own word, for the code that puts the answer together again: `DataRow`, `bulk`, `error`. */
  kind: string
  values: CommandValue[]
}

export interface CommandRequest {
  protocol: string
  /** What is asked without its values: a statement with `$1`, a command's name in upper case. */
  command: string
  /** Compared by their hash; never written. */
  parameters: CommandValue[]
}

/** Keeps exchanges of a protocol that asks and answers, such as SQL. Redaction is its own business. */
export interface CommandRecorder {
  /** An exchange that is over. Never throws. */
  record(request: CommandRequest, response: CommandFrame[]): void
}

/** Answers from a recording. */
export interface CommandPlayer {
  /** Rejects with a ShivError if the recording became unreadable. */
  answer(request: CommandRequest): Promise<{ matched: CommandFrame[] } | { unmatched: Unmatched }>
}

export interface CommandExchange {
  recorder?: CommandRecorder
  player?: CommandPlayer
  /** Resolves when everything that ended is on disk. */
  close(): Promise<void>
}

/** The file of a recording in JSON lines: `recordings/users.har` is written as `recordings/users.jsonl`. */
export function linesFile(file: string): string {
  return file.endsWith('.har') ? `${file.slice(0, -'.har'.length)}.jsonl` : file
}

/** As `openExchange`, for Postgres, Redis and their like. */
export async function openCommands(setting: DependencySetting): Promise<CommandExchange> {
  const { mode, recording, name } = setting
  if (recording === undefined || (mode !== 'record' && mode !== 'replay')) return { close: async () => undefined }
  const { rules, recordMissing } = recording
  const redaction = compileRedaction(rules.redact)
  const records = mode === 'record' || recordMissing
  const store = storeOf(linesFile(recording.file), lineForm)
  await store.open(records && rules.order)
  const recorder = records ? new LineRecorder(store, redaction) : undefined
  return {
    ...(recorder !== undefined && { recorder }),
    ...((mode === 'replay' || recordMissing) && { player: new LinePlayer(store, name, rules.order, redaction) }),
    close: async () => {
      try {
        await recorder?.settle()
      } finally {
        await store.close(records)
      }
    },
  }
}

class LineRecorder implements CommandRecorder {
  readonly #store: Store<CommandLine>
  readonly #redaction: RedactionRules
  readonly #known = new KnownSecrets()
  #turn: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor(store: Store<CommandLine>, redaction: RedactionRules) {
    this.#store = store
    this.#redaction = redaction
  }

  record(request: CommandRequest, response: CommandFrame[]): void {
    const before = this.#turn
    const keep = async (): Promise<void> => {
      await before
      try {
        await this.#store.add(this.#line(request, response), new Map())
      } catch (error) {
        this.#failure ??= error
      }
    }
    this.#turn = keep()
  }

  async settle(): Promise<void> {
    await this.#turn
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Twice where the first look made a value known. */
  #line(request: CommandRequest, response: CommandFrame[]): CommandLine {
    const before = this.#known.size
    const line = makeLine(request, response, new Redactor(this.#redaction, new Placeholders(this.#known)))
    if (this.#known.size === before) return line
    return makeLine(request, response, new Redactor(this.#redaction, new Placeholders(this.#known)))
  }
}

class LinePlayer implements CommandPlayer {
  readonly #store: Store<CommandLine>
  readonly #dependency: string
  readonly #order: RecordingRules['order']
  readonly #redaction: RedactionRules
  readonly #answered = new Map<string, number>()

  constructor(store: Store<CommandLine>, dependency: string, order: RecordingRules['order'], redaction: RedactionRules) {
    this.#store = store
    this.#dependency = dependency
    this.#order = order
    this.#redaction = redaction
  }

  async answer(request: CommandRequest): Promise<{ matched: CommandFrame[] } | { unmatched: Unmatched }> {
    const lines = await this.#store.items()
    const asked = makeLine(request, [], new Redactor(this.#redaction))
    const key = lineForm.keyOf(asked)
    const exact = lines.filter((line) => withoutNumbers(lineForm.keyOf(line)) === withoutNumbers(key))
    const found = exact.length > 0 ? exact : loose(lines, asked)
    const line = found.length === 0 ? undefined : nextOf(found, this.#order, this.#answered)
    if (line === undefined)
      return { unmatched: { ...explain(lines, asked), hint: `record it: set the mode of ${this.#dependency} to record` } }
    return {
      matched: line.response.map(({ kind, values }) => ({ kind, values: values.map((value) => ({ value: valueBytes(value) })) })),
    }
  }
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

/** Commands that carry nothing but credentials. */
const CREDENTIALS = /^(?:AUTH|HELLO|ACL|CONFIG|MIGRATE)\b/i

function makeLine({ protocol, command, parameters }: CommandRequest, response: CommandFrame[], redactor: Redactor): CommandLine {
  const names = parameterNames(command)
  const isHidden = CREDENTIALS.test(command)
  const hidden = parameters.map(({ name, value }, at) => {
    if (value === null) return 'null'
    if (isHidden || redactor.isSecretField(name ?? names[at] ?? '')) return redactor.hide('parameter', value.toString('latin1'))
    return redactor.text(value.toString('latin1'))
  })
  const shown = redactor.text(command)
  const frames = response.map((frame) => redactFrame(frame, redactor))
  const hash = `sha256:${sha256(JSON.stringify(hidden.map(withoutNumbers)))}`
  const { places } = redactor
  return {
    protocol,
    command: shown,
    ...(parameters.length > 0 && { parameters: { count: parameters.length, hash } }),
    response: frames,
    ...(places.length > 0 && { redactions: places }),
  }
}

function redactFrame({ kind, values }: CommandFrame, redactor: Redactor): LineFrame {
  return { kind, values: values.map(({ name, value }) => lineValue(redactValue(name, value, redactor))) }
}

/** Where a number is hidden a number stays, and binary forms keep their length: those who read them still can. */
function redactValue(name: string | undefined, value: Buffer | null, redactor: Redactor): Buffer | null {
  if (value === null || value.length === 0) return value
  const isText = typeof lineValue(value) === 'string'
  if (name === undefined || !redactor.isSecretField(name)) {
    if (isText) return Buffer.from(redactor.text(value.toString('utf8')))
    return redactor.isSecret(value) ? Buffer.alloc(value.length) : value
  }
  const placeholder = redactor.hide(`column ${name}`, value.toString('latin1'))
  if (!isText) return Buffer.alloc(value.length)
  return Buffer.from(/^-?[\d.]+$/.test(value.toString('latin1')) ? '0' : placeholder)
}

function loose(lines: readonly CommandLine[], asked: CommandLine): CommandLine[] {
  const best = lines.find((line) => {
    const isSame = line.protocol === asked.protocol && line.parameters?.hash === asked.parameters?.hash
    return isSame && hasPlaceholder(line.command) && fitsPlaceholders(line.command, asked.command)
  })
  return best === undefined ? [] : lines.filter((line) => lineForm.keyOf(line) === lineForm.keyOf(best))
}

function explain(lines: readonly CommandLine[], asked: CommandLine): Omit<Unmatched, 'hint'> {
  const words = new Set(asked.command.split(/\s+/))
  const likeness = (line: CommandLine): number => {
    const others = line.command.split(/\s+/)
    return others.filter((word) => words.has(word)).length / Math.max(words.size, others.length)
  }
  const [nearest] = lines.filter(({ protocol }) => protocol === asked.protocol).toSorted((a, b) => likeness(b) - likeness(a))
  if (nearest === undefined) return { message: 'The recording holds nothing of this protocol.', difference: [] }
  const short = (text: string): string => (text.length <= 100 ? text : `${text.slice(0, 100)}…`)
  if (nearest.command !== asked.command) {
    const difference = [`command: ${short(asked.command)}`, `recorded: ${short(nearest.command)}`]
    return { message: `No recorded command is ${short(asked.command)}.`, nearest: short(nearest.command), difference }
  }
  const [mine, theirs] = [asked.parameters?.count ?? 0, nearest.parameters?.count ?? 0]
  const difference = [
    mine === theirs ? 'parameters: other values than any that are recorded' : `parameters: ${mine}, recorded ${theirs}`,
  ]
  return { message: `No recorded ${short(asked.command)} has these parameters.`, nearest: short(nearest.command), difference }
}
