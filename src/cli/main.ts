import { resolve } from 'node:path'
import type { ExitCode } from '../core/errors.ts'
import { COMMANDS } from './commands.ts'
import type { Command } from './command.ts'
import { parseWords } from './parse.ts'
import { processTerminal, type Terminal } from './terminal.ts'

/** The whole CLI: sets `process.exitCode` and lets the process end by itself. `words` are those after `shiv`. Never throws. */
export async function main(words: string[]): Promise<void> {
  const terminal = processTerminal()
  // `shiv logs | head`: the reader has enough, which is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  try {
    process.exitCode = await dispatch(words, terminal)
  } catch (error) {
    const { reportError } = await import('./report-error.ts')
    process.exitCode = reportError(error, terminal, asksForJson(words))
  }
}

async function dispatch(words: string[], terminal: Terminal): Promise<ExitCode> {
  const { leading, name, following } = splitAtCommand(words)
  if (name === undefined || name === 'help') return (await import('./top.ts')).runTop(leading, following, terminal)
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (!command) throw (await import('./top.ts')).unknownCommand(name)
  return run(command, [...leading, ...following], terminal)
}

async function run(command: Command, words: string[], terminal: Terminal): Promise<ExitCode> {
  const { args, rest, flags } = parseWords(command, words)
  if (flags.isOn('help')) {
    terminal.out((await import('./help.ts')).commandHelp(command, terminal.style))
    return 0
  }
  const interruption = listenForInterruption()
  try {
    const { run: work } = await command.load()
    return await work({
      command,
      args,
      rest,
      flags,
      terminal,
      cwd: resolve(flags.text('directory') ?? '.'),
      environment: process.env,
      signal: interruption.signal,
    })
  } finally {
    interruption.close()
  }
}

/** What comes so soon after the first is the same Ctrl-C: npm hands on to its child what the terminal has sent to both. */
const ONE_PRESS_MS = 500

/** The first Ctrl-C asks the command to end in order; the second ends the process. */
function listenForInterruption(): { signal: AbortSignal; close(): void } {
  const controller = new AbortController()
  let pressedAt = 0
  const interrupt = (): void => {
    if (!controller.signal.aborted) {
      pressedAt = performance.now()
      controller.abort()
    } else if (performance.now() - pressedAt > ONE_PRESS_MS) process.exit(130)
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, interrupt)
  return {
    signal: controller.signal,
    close: () => {
      for (const name of names) process.off(name, interrupt)
    },
  }
}

/** Common flags may stand before the command: `shiv -C examples status`. */
function splitAtCommand(words: string[]): { leading: string[]; name: string | undefined; following: string[] } {
  let index = 0
  while (index < words.length) {
    const word = words[index] ?? ''
    if (!word.startsWith('-')) break
    index += word === '-C' || word === '--directory' ? 2 : 1
  }
  return { leading: words.slice(0, index), name: words[index], following: words.slice(index + 1) }
}

function asksForJson(words: string[]): boolean {
  const ours = words.includes('--') ? words.slice(0, words.indexOf('--')) : words
  return ours.some(
    (word, index) =>
      word === '--json' ||
      word === '--output=json' ||
      word === '-ojson' ||
      (word === 'json' && /^(-o|--output)$/.test(ours[index - 1] ?? '')),
  )
}
