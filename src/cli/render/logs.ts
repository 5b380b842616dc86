import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import type { LogLine } from '../../wire/messages.ts'
import { originOf } from './marks.ts'

const LEVEL_KEYS = ['level', 'severity', 'lvl', 'levelname']
const MESSAGE_KEYS = ['msg', 'message', 'event']
const TIME_KEYS = ['time', 'timestamp', 'ts', '@timestamp', 'asctime']
/** Numeric levels of pino and bunyan. */
const NUMERIC_LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }

/** Renders log lines as `time source/replica text`; remembers the colour and width that each source got. */
export function createLogRenderer(style: Style): (line: LogLine) => string {
  const paints = [style.cyan, style.magenta, style.blue, style.green, style.yellow]
  const bySource = new Map<string, (text: string) => string>()
  let width = 0
  return (line) => {
    const paint = bySource.get(line.source) ?? paints[bySource.size % paints.length] ?? style.cyan
    bySource.set(line.source, paint)
    const origin = originOf(line.source, line.replica)
    width = Math.max(width, Math.min(origin.length, 40))
    return `${style.dim(clockTime(line.time))} ${paint(origin.padEnd(width))} ${renderText(line, style)}`
  }
}

/** `HH:MM:SS.mmm` in the time zone of the machine. */
export function clockTime(epochMs: number): string {
  const date = new Date(epochMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

function renderText(line: LogLine, style: Style): string {
  if (!line.fields) return style.colour ? withoutCursorMoves(line.text) : harmless(line.text)
  const rest = new Map(Object.entries(line.fields))
  const take = (keys: string[]): unknown => {
    const key = keys.find((candidate) => rest.has(candidate))
    if (key === undefined) return undefined
    const value = rest.get(key)
    rest.delete(key)
    return value
  }
  take(TIME_KEYS)
  const level = levelName(take(LEVEL_KEYS))
  const message = take(MESSAGE_KEYS)
  const fields = [...rest].map(([key, value]) => `${style.dim(`${harmless(key)}=`)}${fieldText(value)}`)
  return [level && paintLevel(level, style), message === undefined ? '' : fieldText(message, true), ...fields]
    .filter(Boolean)
    .join(' ')
}

/** `error` of `error` and of 50. */
export function levelName(level: unknown): string {
  if (typeof level === 'number') return NUMERIC_LEVELS[level] ?? String(level)
  return typeof level === 'string' ? harmless(level) : ''
}

function paintLevel(level: string, style: Style): string {
  const text = level.toUpperCase().padEnd(5)
  if (/^(err|error|fatal|crit|critical|panic|alert|emerg)/i.test(level)) return style.red(text)
  if (/^warn/i.test(level)) return style.yellow(text)
  return /^(debug|trace)/i.test(level) ? style.dim(text) : style.green(text)
}

function fieldText(value: unknown, bare = false): string {
  if (typeof value === 'string') {
    const plain = harmless(value)
    return bare || /^[^\s"=]+$/.test(plain) ? plain : JSON.stringify(plain)
  }
  return harmless(JSON.stringify(value) ?? '')
}

/** Colours of the service's own stay, for its line; what else a terminal would obey goes. */
function withoutCursorMoves(text: string): string {
  // oxlint-disable-next-line no-control-regex -- a colour code begins with one
  const parts = text.split(/(\x1b\[[0-9;]*m)/)
  const shown = parts.map((part, index) => (index % 2 === 1 ? part : harmless(part))).join('')
  return parts.length > 1 ? `${shown}\x1b[0m` : shown
}
