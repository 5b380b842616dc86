import type { Style } from '../core/style.ts'
import { renderTable } from '../core/table.ts'
import { COMMANDS } from './commands.ts'
import type { Command, Flag } from './command.ts'
import { COMMON_FLAGS } from './parse.ts'

/** What `shiv --help` prints. */
export function topHelp(style: Style): string {
  const rows = COMMANDS.map(({ name, summary }) => [style.bold(name), summary])
  return lines([
    'shiv: from one service.yaml to a running, production-like system, and an honest account of where it differs',
    '',
    `${style.bold('Usage:')} shiv COMMAND [ARGUMENT…] [--flag…]`,
    '',
    style.bold('Commands'),
    ...renderTable(rows, { indent: 2, gap: 3 }),
    '',
    style.bold('Flags'),
    ...flagLines({ ...COMMON_FLAGS, version: { kind: 'switch', short: 'V', about: 'print the version' } }),
    '',
    'shiv COMMAND --help tells the flags of a command.',
    'Exit codes: 0 done, 1 the work failed, 2 the input is wrong, 3 the machine lacks something, 4 a check or gate said no, 130 interrupted.',
  ])
}

/** What `shiv COMMAND --help` prints. */
export function commandHelp(command: Command, style: Style): string {
  const own = Object.keys(command.flags).length > 0
  return lines([
    `shiv ${command.name}: ${command.summary}`,
    '',
    `${style.bold('Usage:')} ${['shiv', command.name, own && '[--flag…]', command.arguments].filter(Boolean).join(' ')}`,
    '',
    ...command.about,
    '',
    style.bold('Flags'),
    ...flagLines({ ...command.flags, ...COMMON_FLAGS }),
    '',
    style.bold('Examples'),
    ...renderTable(
      command.examples.map(({ line, why }) => [line, style.dim(`# ${why}`)]),
      { indent: 2, gap: 3 },
    ),
  ])
}

function flagLines(flags: Record<string, Flag>): string[] {
  const rows = Object.entries(flags).map(([name, flag]) => [
    `${flag.short ? `-${flag.short},` : '   '} --${name}${valueOf(flag)}`,
    flag.about,
  ])
  return renderTable(rows, { indent: 2, gap: 3 })
}

function valueOf(flag: Flag): string {
  if (flag.kind === 'switch') return ''
  return ` ${flag.choices?.join('|') ?? flag.placeholder ?? 'VALUE'}`
}

function lines(all: string[]): string {
  return `${all.join('\n')}\n`
}
