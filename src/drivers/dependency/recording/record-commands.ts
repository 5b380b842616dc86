import { lineForm, type CommandLine } from './command-lines.ts'
import type { CommandFrame, CommandRecorder, CommandRequest } from './command-exchange.ts'
import { makeLine } from './make-line.ts'
import { KnownSecrets, Placeholders } from './placeholder.ts'
import type { RedactionRules } from './redaction-rules.ts'
import { Redactor } from './redactor.ts'
import type { Store } from './store.ts'

/** Records exchanges of commands as JSON lines, in the order in which they ended. */
export class LineRecorder implements CommandRecorder {
  readonly #store: Store<CommandLine>
  readonly #redaction: RedactionRules
  readonly #known = new KnownSecrets()
  /** The last answers of what is recorded once. */
  readonly #once = new Map<string, string>()
  #turn: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor(store: Store<CommandLine>, redaction: RedactionRules) {
    this.#store = store
    this.#redaction = redaction
  }

  record(request: CommandRequest, response: CommandFrame[], { once = false } = {}): void {
    this.#keep(() => this.#line(request, response), once)
  }

  omit(request: CommandRequest, why: string): void {
    this.#keep(() => ({ ...this.#line(request, []), omitted: why }), true)
  }

  /** Resolves when everything that ended is in the store. Throws the first thing that went wrong. */
  async settle(): Promise<void> {
    await this.#turn
    if (this.#failure !== undefined) throw this.#failure
  }

  #keep(make: () => CommandLine, once: boolean): void {
    const before = this.#turn
    const keep = async (): Promise<void> => {
      await before
      try {
        const line = make()
        if (once && !this.#isNew(line)) return
        await this.#store.add(line, new Map())
      } catch (error) {
        this.#failure ??= error
      }
    }
    this.#turn = keep()
  }

  #isNew(line: CommandLine): boolean {
    const [key, answer] = [lineForm.keyOf(line), lineForm.answerOf(line)]
    const isNew = this.#once.get(key) !== answer
    this.#once.set(key, answer)
    return isNew
  }

  /** Twice where the first look made a value known. */
  #line(request: CommandRequest, response: CommandFrame[]): CommandLine {
    const before = this.#known.size
    const line = makeLine(request, response, new Redactor(this.#redaction, new Placeholders(this.#known)))
    if (this.#known.size === before) return line
    return makeLine(request, response, new Redactor(this.#redaction, new Placeholders(this.#known)))
  }
}
