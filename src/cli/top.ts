import type { ExitCode, ShivError } from '../core/errors.ts'
import { suggest } from '../core/suggest.ts'
import { COMMANDS } from './commands.ts'
import type { Command } from './command.ts'
import { commandHelp, topHelp } from './help.ts'
import { inputError, parseWords } from './parse.ts'
import type { Terminal } from './terminal.ts'
import { RELEASE } from '../wire/daemon-entry.ts'

/** `shiv` by itself, seen as a command so that its flags are parsed as any other's. */
const TOP: Command = {
  name: '',
  summary: '',
  arity: { min: 0, max: 1 },
  about: [],
  flags: { version: { kind: 'switch', short: 'V', about: 'print the version' } },
  examples: [],
  load: () => Promise.reject(new Error('shiv without a command has no code of its own')),
}

/** `shiv`, `shiv --help`, `shiv --version`, `shiv help COMMAND`. Without anything to do: help on stderr and exit code 2. */
export function runTop(leading: string[], following: string[], terminal: Terminal): ExitCode {
  const { flags } = parseWords(TOP, leading)
  if (flags.isOn('version')) {
    terminal.out(
      flags.isOn('json') ? `${JSON.stringify({ version: 1, shiv: RELEASE, node: process.version })}\n` : `shiv ${RELEASE}\n`,
    )
    return 0
  }
  const [topic] = parseWords(TOP, following).args
  if (topic !== undefined) {
    const command = COMMANDS.find(({ name }) => name === topic)
    if (!command) throw unknownCommand(topic)
    terminal.out(commandHelp(command, terminal.style))
    return 0
  }
  if (flags.isOn('help') || process.argv.slice(2).includes('help')) {
    terminal.out(topHelp(terminal.style))
    return 0
  }
  terminal.err(topHelp(terminal.errStyle))
  return 2
}

/** The error for a command that does not exist. */
export function unknownCommand(name: string): ShivError {
  const near = suggest(
    name,
    COMMANDS.map((command) => command.name),
  )
  return inputError(
    'CLI_UNKNOWN_COMMAND',
    `There is no command "${name}".`,
    near ? `did you mean shiv ${near}?` : 'see shiv --help',
  )
}
