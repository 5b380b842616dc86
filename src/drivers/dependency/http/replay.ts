import { toErrorShape } from '../../../core/errors.ts'
import { drained } from '../drained.ts'
import type { PlayedResponse, Player, RequestHead, Unmatched } from '../exchange.ts'
import { BodyQueue } from './body-queue.ts'
import type { Course } from './course.ts'
import type { Failure } from './failure.ts'
import type { Inbound } from './message.ts'
import { endToEnd, endToEndTrailers } from './hop-by-hop.ts'
import { headerOf } from './head.ts'

/** Bodies that may yet have to go to the upstream are kept up to here. */
const KEPT_BODY = 64 * 1_048_576

export type ReplayResult =
  | { kind: 'played'; status: string; sentBytes: number; receivedBytes: number }
  | { kind: 'gone'; sentBytes: number; receivedBytes: number }
  /** The recording failed in the middle of the answer, which was broken off. */
  | { kind: 'broken'; status: string; cause: string; sentBytes: number; receivedBytes: number }
  /** Nothing was answered yet. `body` is what was read of the request; undefined when it was too large to keep. */
  | { kind: 'unmatched'; unmatched: Unmatched; body: Buffer[] | undefined; isBodyRead: boolean }

/** Answers a request from a recording. `keepsBody` when an unmatched one is to go to the upstream. Rejects with what the player rejects with. */
export async function replay(
  inbound: Inbound,
  head: RequestHead,
  player: Player,
  course: Course,
  keepsBody: boolean,
): Promise<ReplayResult> {
  const gone = new AbortController()
  let drained: (() => void) | undefined
  inbound.listen({
    onDrain: () => drained?.(),
    onGone() {
      gone.abort()
      drained?.()
      body.close()
    },
  })
  const source = { pause: () => inbound.pause(), resume: () => inbound.resume() }
  const body = new BodyQueue(source, keepsBody ? KEPT_BODY : 0)
  if (inbound.upgrade === undefined) inbound.read(body)
  const answer = await player.answer(head, body, gone.signal)
  if (gone.signal.aborted) return { kind: 'gone', sentBytes: body.size, receivedBytes: 0 }
  if ('unmatched' in answer) {
    if (!keepsBody) body.close()
    else for await (const _ of body); // what was not looked at is needed too
    return { kind: 'unmatched', unmatched: answer.unmatched, body: body.kept, isBodyRead: true }
  }
  const { matched } = answer
  if (matched.head.status === 101 && inbound.upgrade !== undefined) return playUpgrade(inbound, matched, body, course, source)
  const { receivedBytes, cause } = await play(
    inbound,
    matched,
    course,
    gone.signal,
    () => new Promise((resolve) => (drained = resolve)),
  )
  body.close()
  if (cause !== undefined)
    return { kind: 'broken', status: String(matched.head.status), cause, sentBytes: body.size, receivedBytes }
  if (gone.signal.aborted) return { kind: 'gone', sentBytes: body.size, receivedBytes }
  return { kind: 'played', status: String(matched.head.status), sentBytes: body.size, receivedBytes }
}

async function play(
  inbound: Inbound,
  { head, body, trailers }: PlayedResponse,
  course: Course,
  gone: AbortSignal,
  drain: () => Promise<void>,
): Promise<{ receivedBytes: number; cause?: string }> {
  const { status, headers } = head
  // An answer of gRPC that has its status in the head has nothing behind it.
  const isBodiless =
    inbound.method === 'HEAD' || status === 204 || status === 304 || headerOf(headers, 'grpc-status') !== undefined
  const own = { ...head, headers: endToEnd(headers) }
  inbound.respond(course.mapAnswer(own, inbound, 'recording'), isBodiless ? 'none' : 'unknown')
  let receivedBytes = 0
  try {
    for await (const chunk of body) {
      if (gone.aborted) return { receivedBytes }
      receivedBytes += chunk.length
      if (!isBodiless && !inbound.write(chunk)) await drain()
    }
    if (!gone.aborted) inbound.end(endToEndTrailers(trailers?.() ?? []))
    return { receivedBytes }
  } catch (error) {
    inbound.reset()
    return { receivedBytes, cause: toErrorShape(error).message }
  }
}

async function playUpgrade(
  inbound: Inbound,
  { head, body }: PlayedResponse,
  said: BodyQueue,
  course: Course,
  source: { pause(): void; resume(): void },
): Promise<ReplayResult> {
  const { socket, rest } = inbound.upgradeTo(course.mapAnswer({ ...head, headers: endToEnd(head.headers) }, inbound, 'recording'))
  source.pause = () => void socket.pause()
  source.resume = () => void socket.resume()
  socket.on('data', (chunk: Buffer) => said.onData(chunk))
  socket.on('end', () => said.onEnd())
  socket.on('error', () => socket.destroy()) // 'close' follows
  socket.on('close', () => said.onEnd())
  if (rest) said.onData(rest)
  let receivedBytes = 0
  try {
    for await (const chunk of body) {
      if (socket.destroyed) return { kind: 'gone', sentBytes: said.size, receivedBytes }
      receivedBytes += chunk.length
      if (!socket.write(chunk)) await drained(socket)
    }
  } catch (error) {
    socket.destroy()
    return { kind: 'broken', status: '101', cause: toErrorShape(error).message, sentBytes: said.size, receivedBytes }
  }
  said.close()
  socket.end()
  return { kind: 'played', status: '101', sentBytes: said.size, receivedBytes }
}

/** What the guard refuses is not recorded either, before it is excepted. */
export function howToRecordWrite(name: string, { details }: Failure): string {
  const allow = (details as { allow?: string } | undefined)?.allow
  const how = allow === undefined ? 'send it in its plain form' : 'add the last line to it in service.yaml, then'
  const line = allow === undefined ? '' : `\n${allow.trimEnd()}`
  return `it is a write, and ${name} is read-only; to record it, ${how}: shiv start && shiv proxy mode ${name} record${line}`
}

/** Nothing that was recorded fits, in the form in which the service is told. */
export function unmatchedFailure({ message, nearest, difference, hint: usual }: Unmatched, ownHint?: string): Failure {
  const hint = ownHint ?? usual
  return {
    status: 502,
    code: 'PROXY_UNMATCHED',
    message,
    cause: nearest === undefined ? 'nothing like it was recorded' : `nearest: ${nearest}`,
    ...(hint !== undefined && { hint }),
    details: { ...(nearest !== undefined && { nearest }), difference },
  }
}
