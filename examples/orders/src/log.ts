import { config } from './config.js'

type Level = 'info' | 'warn' | 'error'

/** One line for each thing that happened: JSON where LOG_FORMAT=json, words otherwise. */
export function log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  const time = new Date().toISOString()
  if (config.logFormat === 'json') {
    process.stdout.write(`${JSON.stringify({ time, level, msg: message, ...fields })}\n`)
    return
  }
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  process.stdout.write(`${time} ${level} ${message}${rest.join('')}\n`)
}

export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
