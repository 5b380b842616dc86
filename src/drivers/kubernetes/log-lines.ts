import type { LogLine } from '../../engine/ports.ts'
import { KubeApiError, type KubeClient } from './client.ts'
import { knownPath } from './mapping.ts'
import type { Pod } from './objects.ts'
import { subjectOf } from './state.ts'
import { linesOf } from './watch.ts'

/** How far a container's log was read: the newest time stamp, and how many lines bore it. */
export interface Mark {
  stamp: string
  count: number
}

export interface LogRange {
  follow: boolean
  previous?: boolean
  tail?: number
  /** RFC 3339. The kubelet looks at whole seconds only, so a `mark` decides about the lines of that second. */
  since?: string
}

/** Lines of one container, oldest first, each once: those up to `mark` are left out and `mark` moves on with what is yielded. */
export async function* readLog(
  client: KubeClient,
  pod: Pod,
  container: string,
  range: LogRange,
  mark: Mark,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const query = new URLSearchParams({ container, timestamps: 'true' })
  if (range.follow) query.set('follow', 'true')
  if (range.previous) query.set('previous', 'true')
  if (range.tail !== undefined) query.set('tailLines', String(range.tail))
  const since = range.since ?? (mark.stamp === '' ? undefined : mark.stamp)
  if (since !== undefined) query.set('sinceTime', since)
  const path = `${knownPath('Pod', pod.metadata.namespace, pod.metadata.name)}/log?${query}`
  const { stamp: readTo, count: skipAtMark } = mark
  let repeats = 0
  for await (const raw of linesOf(await client.stream(path, signal))) {
    const space = raw.indexOf(' ')
    const stamp = space < 0 ? raw : raw.slice(0, space)
    const order = compareStamps(stamp, readTo)
    if (order < 0) continue
    if (order === 0 && (repeats += 1) <= skipAtMark) continue
    mark.count = stamp === mark.stamp ? mark.count + 1 : 1
    mark.stamp = stamp
    yield lineOf(pod, stamp, space < 0 ? '' : raw.slice(space + 1))
  }
}

/** True for a log that is not there (yet, or any more): the container has not started, or its pod is gone. */
export function hasNoLog(error: unknown): boolean {
  return error instanceof KubeApiError && (error.status === 400 || error.status === 404)
}

/** Orders RFC 3339 times with up to nine decimals, of which trailing zeros may be left out. */
export function compareStamps(a: string, b: string): number {
  const [left, right] = [padded(a), padded(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

function padded(stamp: string): string {
  const [whole = '', decimals = ''] = stamp.replace(/Z$/, '').split('.')
  return `${whole}.${decimals.padEnd(9, '0')}`
}

function lineOf(pod: Pod, stamp: string, text: string): LogLine {
  const fields = text.startsWith('{') ? parseFields(text) : undefined
  return {
    time: Date.parse(stamp.replace(/(\.\d{3})\d*Z$/, '$1Z')),
    source: subjectOf(pod) ?? pod.metadata.name,
    replica: pod.metadata.name,
    stream: 'stdout',
    text,
    ...(fields && { fields }),
  }
}

function parseFields(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    // A line that only begins like JSON is a plain line.
    return undefined
  }
}
