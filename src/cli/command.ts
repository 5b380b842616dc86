import type { ExitCode } from '../core/errors.ts'
import type { Terminal } from './terminal.ts'

/** A command as data. Its code is imported only when it runs. */
export interface Command {
  name: string
  /** One line for the list of commands. */
  summary: string
  /** What follows the name in its usage line, for example `[SERVICE…]`. */
  arguments?: string
  /** How many arguments it takes; `choices` closes the first one. */
  arity: { min: number; max: number; choices?: string[] }
  /** Whether words after `--` belong to it. */
  takesRest?: boolean
  /** Paragraphs below the usage line. */
  about: string[]
  flags: Record<string, Flag>
  examples: { line: string; why: string }[]
  load(): Promise<{ run(invocation: Invocation): Promise<ExitCode> }>
}

export interface Flag {
  kind: 'switch' | 'text' | 'number' | 'duration'
  about: string
  /** One letter. */
  short?: string
  /** Stands for the value in help. */
  placeholder?: string
  choices?: string[]
  /** Of a number: the long form may stand without one. */
  isOptional?: boolean
}

/** What the user asked for, checked against the command. */
export interface Invocation {
  command: Command
  args: string[]
  /** What followed `--`. */
  rest: string[]
  flags: FlagValues
  terminal: Terminal
  /** Where the CLI stands, absolute; `-C` moves it. */
  cwd: string
  environment: NodeJS.ProcessEnv
  /** Aborted by the first Ctrl-C or TERM. */
  signal: AbortSignal
}

/** Values by flag name, in the kind that the flag declares; durations in milliseconds. */
export class FlagValues {
  readonly #values: Map<string, string | number | true>

  constructor(values: Map<string, string | number | true> = new Map()) {
    this.#values = values
  }

  isOn(name: string): boolean {
    return this.#values.has(name)
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name)
    return typeof value === 'string' ? value : undefined
  }

  number(name: string): number | undefined {
    const value = this.#values.get(name)
    return typeof value === 'number' ? value : undefined
  }

  /** Whether the answer is for a program: `--json`, or `-o json`. */
  get wantsJson(): boolean {
    return this.isOn('json') || this.text('output') === 'json'
  }
}
