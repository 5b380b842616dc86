import type { Terminal } from './terminal.ts'

/** One JSON document on stdout: indented for a person's terminal, on one line for a pipe. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(`${JSON.stringify(value, undefined, terminal.isTTY ? 2 : undefined)}\n`)
}

export function printLines(terminal: Terminal, lines: string[]): void {
  terminal.out(lines.map((line) => `${line}\n`).join(''))
}
