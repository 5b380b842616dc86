import type { LogLine } from '../../engine/ports.ts'

const TIME_FIELDS = ['time', 'timestamp', 'ts', '@timestamp']

/** One line of a log file; a JSON object becomes fields, and its own time is taken before the time of arrival. */
export function parseLogLine(text: string, owner: Pick<LogLine, 'source' | 'replica' | 'stream'>, arrived: number): LogLine {
  const fields = text.startsWith('{') ? parseObject(text) : undefined
  const time = fields === undefined ? undefined : timeOf(fields)
  return { time: time ?? arrived, ...owner, text, ...(fields && { fields }) }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined // a line that only begins like JSON
  }
}

/** Epoch milliseconds, from an ISO text or a number of seconds or milliseconds. */
function timeOf(fields: Record<string, unknown>): number | undefined {
  const value = TIME_FIELDS.map((name) => fields[name]).find((found) => found !== undefined)
  if (typeof value === 'string') {
    const time = Date.parse(value)
    return Number.isNaN(time) ? undefined : time
  }
  if (typeof value !== 'number') return undefined
  if (value > 1e12 && value < 1e13) return Math.floor(value)
  return value > 1e9 && value < 1e10 ? Math.floor(value * 1_000) : undefined
}
