import { parseDuration } from '../core/duration.ts'
import { ShivError } from '../core/errors.ts'
import { suggest } from '../core/suggest.ts'
import { FlagValues, type Command, type Flag } from './command.ts'

/** Flags that every command understands. */
export const COMMON_FLAGS: Record<string, Flag> = {
  json: { kind: 'switch', about: 'print JSON with a versioned shape; errors too' },
  directory: { kind: 'text', short: 'C', placeholder: 'DIR', about: 'act as if started in DIR' },
  help: { kind: 'switch', short: 'h', about: 'show this help' },
}

export interface Parsed {
  args: string[]
  rest: string[]
  flags: FlagValues
}

/**
 * Sorts the words after a command's name into arguments, flags and what follows `--`. Flags stand anywhere, as `--name value`,
 * `--name=value`, `-n value`, `-nvalue`, or switches gathered as in `-fj`. Throws CLI_* errors with exit code 2.
 */
export function parseWords(command: Command, words: string[]): Parsed {
  const flags = { ...command.flags, ...COMMON_FLAGS }
  const byShort = new Map(Object.entries(flags).flatMap(([name, flag]) => (flag.short ? [[flag.short, name] as const] : [])))
  const values = new Map<string, string | number | true>()
  const args: string[] = []
  const queue = [...words]
  let rest: string[] = []

  const take = (name: string, flag: Flag, spelled: string, attached: string | undefined) => {
    if (flag.kind === 'switch') {
      if (attached !== undefined) throw inputError('CLI_BAD_VALUE', `${spelled} takes no value.`, `write ${spelled} alone`)
      values.set(name, true)
      return
    }
    if (flag.isOptional && spelled.startsWith('--') && attached === undefined && !/^\d+$/.test(queue[0] ?? '')) {
      values.set(name, true)
      return
    }
    const value = attached ?? queue.shift()
    if (value === undefined) {
      throw inputError(
        'CLI_BAD_VALUE',
        `${spelled} needs a value.`,
        `write ${spelled} ${flag.placeholder ?? flag.choices?.join('|') ?? 'VALUE'}`,
      )
    }
    values.set(name, readValue(flag, spelled, value))
  }

  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      rest = queue.splice(0)
      break
    }
    if (word.startsWith('--')) {
      const [name = '', ...more] = word.slice(2).split('=')
      const flag = Object.hasOwn(flags, name) ? flags[name] : undefined
      if (!flag) throw unknownFlag(command, `--${name}`, Object.keys(flags))
      take(name, flag, `--${name}`, more.length > 0 ? more.join('=') : undefined)
    } else if (word.startsWith('-') && word !== '-') {
      takeShort(word.slice(1))
    } else {
      args.push(word)
    }
  }
  checkArity(command, args, rest, values.has('help'))
  return { args, rest, flags: new FlagValues(values) }

  function takeShort(letters: string): void {
    for (let index = 0; index < letters.length; index++) {
      const letter = letters[index] ?? ''
      const name = byShort.get(letter)
      const flag = name === undefined ? undefined : flags[name]
      if (!name || !flag) throw unknownFlag(command, `-${letter}`, Object.keys(flags))
      const attached = letters.slice(index + 1).replace(/^=/, '')
      take(name, flag, `-${letter}`, flag.kind === 'switch' || attached === '' ? undefined : attached)
      if (flag.kind !== 'switch') return
    }
  }
}

function readValue(flag: Flag, spelled: string, value: string): string | number {
  if (flag.choices && !flag.choices.includes(value)) {
    const near = suggest(value, flag.choices)
    const hint = near ? `did you mean ${spelled} ${near}?` : `one of: ${flag.choices.join(', ')}`
    throw inputError('CLI_BAD_VALUE', `${spelled} cannot be "${value}".`, hint)
  }
  if (flag.kind === 'number') {
    if (!/^\d+$/.test(value))
      throw inputError('CLI_BAD_VALUE', `${spelled} takes a number, not "${value}".`, `for example ${spelled} 100`)
    return Number(value)
  }
  if (flag.kind === 'duration') {
    const milliseconds = parseDuration(value)
    if (milliseconds === undefined) {
      throw inputError('CLI_BAD_VALUE', `${spelled} takes a duration, not "${value}".`, `for example ${spelled} 90s, 5m or 1h30m`)
    }
    return milliseconds
  }
  return value
}

function checkArity(command: Command, args: string[], rest: string[], helpWanted: boolean): void {
  if (helpWanted) return
  const { min, max, choices } = command.arity
  const help = `see shiv ${command.name} --help`
  if (args.length < min)
    throw inputError('CLI_MISSING_ARGUMENT', `shiv ${command.name} needs ${command.arguments ?? 'an argument'}.`, help)
  if (args.length > max) {
    const isCommand = command.takesRest && rest.length === 0
    const hint = isCommand ? `shiv ${[command.name, ...args.slice(0, max), '--', ...args.slice(max)].join(' ')}` : help
    throw inputError('CLI_UNEXPECTED_ARGUMENT', `shiv ${command.name} does not take "${args[max] ?? ''}".`, hint)
  }
  if (rest.length > 0 && !command.takesRest) {
    throw inputError('CLI_UNEXPECTED_ARGUMENT', `shiv ${command.name} takes nothing after --.`, help)
  }
  const first = args[0]
  if (choices && first !== undefined && !choices.includes(first)) {
    const near = suggest(first, choices)
    const hint = near ? `did you mean shiv ${command.name} ${near}?` : `one of: ${choices.join(', ')}`
    throw inputError('CLI_UNKNOWN_COMMAND', `shiv ${command.name} has no "${first}".`, hint)
  }
}

function unknownFlag(command: Command, spelled: string, known: string[]): ShivError {
  const near = suggest(spelled.replace(/^-+/, ''), known)
  const hint = near ? `did you mean --${near}?` : `see shiv ${command.name} --help`
  return inputError('CLI_UNKNOWN_FLAG', `shiv ${command.name} has no flag ${spelled}.`, hint)
}

/** An error of how shiv was called: exit code 2. */
export function inputError(code: string, message: string, hint: string): ShivError {
  return new ShivError(message, { code, hint, exit: 2 })
}
