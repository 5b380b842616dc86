import { setTimeout as delay } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import type { LogLine, LogQuery } from '../../engine/ports.ts'
import { KubeApiError, type KubeClient } from './client.ts'
import { type Mark, hasNoLog, readLog } from './log-lines.ts'
import { knownPath } from './mapping.ts'
import type { ContainerStatus, Pod } from './objects.ts'
import { createQueue } from './queue.ts'
import { subjectOf } from './state.ts'
import { watchCollection } from './watch.ts'

const LONGEST_PAUSE_MS = 2_000

/** How far each container was read, by pod uid and container. */
type Marks = Map<string, Mark & { instance: number }>

/**
 * The log lines of all pods of a namespace that belong to a run, by time. With `follow` it goes on with what is written, through
 * restarts and replaced pods, until the signal aborts; no line is left out and none comes twice.
 */
export async function* readLogs(
  client: KubeClient,
  namespace: string,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const marks: Marks = new Map()
  const list = await client.call<{ items: Pod[] | null }>('GET', knownPath('Pod', namespace), { signal })
  const pods = (list.items ?? []).filter((pod) => isWanted(pod, query))
  yield* await readPast(client, pods, query, marks, signal)
  if (query.follow) yield* follow(client, namespace, query, marks, signal)
}

async function readPast(client: KubeClient, pods: Pod[], query: LogQuery, marks: Marks, signal: AbortSignal): Promise<LogLine[]> {
  const lines: LogLine[] = []
  const containers = pods.flatMap((pod) => statusesOf(pod).map((status) => ({ pod, status })))
  await Promise.all(
    containers.map(async ({ pod, status }) => {
      const mark = markOf(marks, pod, status)
      for (const previous of status.restartCount > 0 ? [true, false] : [false]) {
        const range = {
          follow: false,
          previous,
          // At least one line is read even when none is wanted: a follower goes on from there.
          ...(query.tail !== undefined && { tail: Math.max(1, query.tail) }),
          ...(query.since !== undefined && { since: new Date(query.since).toISOString() }),
        }
        for await (const line of whereThereIsALog(readLog(client, pod, status.name, range, mark, signal))) lines.push(line)
      }
      mark.instance = status.restartCount
    }),
  )
  const inTime = lines.filter(({ time }) => query.since === undefined || time >= query.since).sort((a, b) => a.time - b.time)
  return query.tail === undefined ? inTime : lastOfEach(inTime, query.tail)
}

async function* follow(
  client: KubeClient,
  namespace: string,
  query: LogQuery,
  marks: Marks,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const queue = createQueue<LogLine>()
  const reading = new Set<string>()

  /** Reads a container to its end; a new instance of it is announced by the watch and read by a new call. */
  const attach = async (pod: Pod, status: ContainerStatus) => {
    const key = `${pod.metadata.uid}/${status.name}`
    if (reading.has(key) || !hasNews(marks, pod, status)) return
    reading.add(key)
    const mark = markOf(marks, pod, status)
    try {
      if (status.restartCount > mark.instance) await drain(pod, status, mark, { follow: false, previous: true })
      mark.instance = status.restartCount
      await drain(pod, status, mark, { follow: true })
    } finally {
      reading.delete(key)
    }
    await delay(20, undefined, { signal: both })
    const latest = present.get(pod.metadata.uid)
    const now = latest && statusesOf(latest).find(({ name }) => name === status.name)
    if (latest !== undefined && now !== undefined) await attach(latest, now)
  }
  /** Through connections that break: the mark says where to go on. */
  const drain = async (pod: Pod, status: ContainerStatus, mark: Mark, range: { follow: boolean; previous?: boolean }) => {
    for (let failures = 1; ; failures += 1) {
      const before = mark.stamp
      try {
        return await drainOnce(pod, status, mark, range)
      } catch (error) {
        if (both.aborted || !isCutOff(error)) throw error
        if (mark.stamp !== before) failures = 1
        await delay(Math.min(LONGEST_PAUSE_MS, 25 * 2 ** failures), undefined, { signal: both })
      }
    }
  }
  const drainOnce = async (pod: Pod, status: ContainerStatus, mark: Mark, range: { follow: boolean; previous?: boolean }) => {
    const begin = mark.stamp === '' && query.since !== undefined ? { since: new Date(query.since).toISOString() } : {}
    for await (const line of whereThereIsALog(readLog(client, pod, status.name, { ...range, ...begin }, mark, both))) {
      if (query.since === undefined || line.time >= query.since) queue.push(line)
    }
  }
  const present = new Map<string, Pod>()
  const consider = (pod: Pod) => {
    if (!isWanted(pod, query)) return
    present.set(pod.metadata.uid, pod)
    for (const status of statusesOf(pod)) {
      attach(pod, status).catch((error: unknown) => (both.aborted ? undefined : queue.fail(error)))
    }
  }
  const watching = watchCollection(client, knownPath('Pod', namespace), both, {
    replaced: (pods) => (pods as Pod[]).forEach(consider),
    changed: (pod) => consider(pod as Pod),
    deleted: (pod) => present.delete(pod.metadata.uid),
    connected() {
      // A broken watch is opened again; the streams that are open go on meanwhile.
    },
  })
  watching.then(
    () => queue.end(),
    (error: unknown) => (both.aborted ? queue.end() : queue.fail(error)),
  )
  try {
    yield* queue
  } finally {
    stop.abort()
  }
}

/** A container that runs, or ran and was not read to its end. */
function hasNews(marks: Marks, pod: Pod, status: ContainerStatus): boolean {
  if (status.state?.running !== undefined) return true
  const mark = marks.get(`${pod.metadata.uid}/${status.name}`)
  const isOver = status.state?.terminated !== undefined || status.lastState?.terminated !== undefined
  return isOver && (mark === undefined || mark.instance < status.restartCount)
}

function markOf(marks: Marks, pod: Pod, status: ContainerStatus): Mark & { instance: number } {
  const key = `${pod.metadata.uid}/${status.name}`
  const mark = marks.get(key) ?? { stamp: '', count: 0, instance: status.restartCount }
  marks.set(key, mark)
  return mark
}

/** The way to the log failed, not the log: a connection that broke, a server that is busy or starts. */
function isCutOff(error: unknown): boolean {
  if (error instanceof KubeApiError) return error.status >= 500 || error.status === 429
  if (error instanceof ShivError) return error.code === 'KUBE_UNREACHABLE'
  const { code, message } = error as NodeJS.ErrnoException
  return /^(ECONNRESET|EPIPE|ETIMEDOUT|ERR_STREAM_PREMATURE_CLOSE)$/.test(code ?? '') || message === 'aborted'
}

async function* whereThereIsALog(lines: AsyncIterable<LogLine>): AsyncGenerator<LogLine> {
  try {
    yield* lines
  } catch (error) {
    if (!hasNoLog(error)) throw error
  }
}

function lastOfEach(lines: LogLine[], count: number): LogLine[] {
  const seen = new Map<string, number>()
  const kept: LogLine[] = []
  for (const line of lines.toReversed()) {
    const before = seen.get(line.source) ?? 0
    seen.set(line.source, before + 1)
    if (before < count) kept.push(line)
  }
  return kept.toReversed()
}

function isWanted(pod: Pod, query: LogQuery): boolean {
  const subject = subjectOf(pod)
  return subject !== undefined && (query.sources.length === 0 || query.sources.includes(subject))
}

function statusesOf(pod: Pod): ContainerStatus[] {
  return [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])]
}
