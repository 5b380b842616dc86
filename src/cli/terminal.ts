import { createStyle, wantsColour, wantsUnicode, type Style } from '../core/style.ts'

/** Both output streams and what they can show. */
export interface Terminal {
  /** Writes to stdout. */
  out(text: string): void
  /** Writes to stderr. */
  err(text: string): void
  /** Of stdout. */
  style: Style
  errStyle: Style
  /** Whether stdout is a terminal. */
  isTTY: boolean
  /** Whether somebody can be asked: stdin and stderr are terminals. */
  canAsk: boolean
  columns(): number
  rows(): number
}

/** The Terminal of this process. */
export function processTerminal(env: NodeJS.ProcessEnv = process.env): Terminal {
  const { stdout, stderr } = process
  const unicode = wantsUnicode(env)
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    style: createStyle({ colour: wantsColour(env, stdout.isTTY), unicode }),
    errStyle: createStyle({ colour: wantsColour(env, stderr.isTTY), unicode }),
    isTTY: stdout.isTTY && env['TERM'] !== 'dumb',
    // Opening stdin loads what reads files: only for who asks.
    get canAsk() {
      return stderr.isTTY && process.stdin.isTTY
    },
    columns: () => stdout.columns || 80,
    rows: () => stdout.rows || 24,
  }
}
