import { parseDuration } from '../../core/duration.ts'
import type { Faults } from '../../wire/messages.ts'
import type { FlagValues } from '../command.ts'
import { inputError } from '../parse.ts'

const UNITS: Record<string, number> = { B: 1, kB: 1_000, MB: 1_000_000, GB: 1_000_000_000, KiB: 1_024, MiB: 1_048_576 }

/** What the flags of `shiv proxy fault` ask for; undefined when none is given. Throws CLI_BAD_VALUE. */
export function faultsOf(flags: FlagValues): Faults | undefined {
  const latency = readLatency(flags.text('latency'))
  const errorRate = readRate('error-rate', flags.text('error-rate'))
  const errorStatus = readStatus(flags.number('error-status'))
  const cutRate = readRate('cut', flags.text('cut'))
  const bytesPerSecond = readBandwidth(flags.text('bandwidth'))
  const faults: Faults = {
    ...(latency && { latency }),
    ...(errorRate !== undefined && { errorRate }),
    ...(errorStatus !== undefined && { errorStatus }),
    ...(cutRate !== undefined && { cutRate }),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
  }
  return Object.keys(faults).length > 0 ? faults : undefined
}

/** `100ms` for every answer, or `100ms/2s`: the median and what one in a hundred takes. */
function readLatency(text: string | undefined): Faults['latency'] {
  if (text === undefined) return undefined
  const [median = '', slow = median, ...more] = text.split('/')
  const p50 = parseDuration(median)
  const p99 = parseDuration(slow)
  if (p50 === undefined || p99 === undefined || p99 < p50 || more.length > 0)
    throw badValue(
      'latency',
      text,
      'for example --latency 100ms, or --latency 100ms/2s: the median, and what one in a hundred takes',
    )
  return { p50, p99 }
}

function readRate(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const rate = /^\d+(\.\d+)?%$/.test(text)
    ? Number(text.slice(0, -1)) / 100
    : /^(\d+(\.\d+)?|\.\d+)$/.test(text)
      ? Number(text)
      : Number.NaN
  if (rate >= 0 && rate <= 1) return rate
  throw badValue(flag, text, `a part from 0 to 1, for example --${flag} 0.1`)
}

function readStatus(status: number | undefined): number | undefined {
  if (status === undefined || (status >= 400 && status <= 599)) return status
  throw badValue('error-status', String(status), 'a status from 400 to 599, for example --error-status 503')
}

function readBandwidth(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(B|kB|MB|GB|KiB|MiB)\/s$/.exec(text) ?? []
  const bytes = Math.round(Number(amount) * (UNITS[unit] ?? Number.NaN))
  if (bytes >= 1) return bytes
  throw badValue('bandwidth', text, 'for example --bandwidth 500kB/s or --bandwidth 1MB/s')
}

function badValue(flag: string, text: string, hint: string): Error {
  return inputError('CLI_BAD_VALUE', `--${flag} cannot be "${text}".`, hint)
}
