import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { answer } from './answers.ts'
import { hasBody, requestHeaders, responseHeaders } from './forward-headers.ts'
import { injectScript } from './inject-script.ts'
import { refusalOf, unreachable } from './refusals.ts'
import { addressOf, type HoldLimits, type Route, type Turn } from './route.ts'

/** RFC 9110, 9.2.2: done twice is done once. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** What came of one attempt: answered (or the client is gone), or failed before anything of the request was given away. */
type Attempt = 'done' | { retry: Error } | { failed: Error }

/** Sends a request to the service's next endpoint, both ways streamed. Waits for a ready one, and goes on to another when a connection is refused. */
export async function forwardHttp(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  limits: HoldLimits,
): Promise<void> {
  const first = route.now()
  const tried = new Set<string>()
  const end = performance.now() + limits.timeoutMs
  for (let turn = first; ; turn = undefined) {
    turn ??= await nextFor(response, route, tried)
    if ('refused' in turn) return answer(request, response, refusalOf(route, turn.refused, limits.timeoutMs / 1_000))
    const attempt = await send(request, response, route, turn)
    if (attempt === 'done') return
    if ('failed' in attempt) return answer(request, response, unreachable(route, attempt.failed))
    if (performance.now() > end) return answer(request, response, unreachable(route, attempt.retry))
    tried.add(addressOf(turn.endpoint))
  }
}

async function nextFor(response: ServerResponse, route: Route, tried: ReadonlySet<string>): Promise<Turn> {
  const gone = new AbortController()
  const leave = (): void => gone.abort()
  if (response.destroyed) leave()
  response.once('close', leave)
  const turn = await route.next(gone.signal, tried)
  response.removeListener('close', leave)
  return turn
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  turn: Exclude<Turn, { refused: string }>,
): Promise<Attempt> {
  return new Promise((resolve) => {
    const withBody = hasBody(request)
    const { host, port } = turn.endpoint
    const { method, url: path } = request
    const { agent } = turn.kept
    let isGiven = false
    const upstream = httpRequest({ host, port, method, path, agent, headers: requestHeaders(request), setHost: false })

    const giveBody = (): void => {
      isGiven = true
      if (withBody) request.pipe(upstream)
      else upstream.end()
    }
    const onGone = (): unknown => upstream.destroy()
    const settle = (attempt: Attempt): void => {
      turn.done()
      response.removeListener('close', onGone)
      resolve(attempt)
    }
    response.once('close', onGone)
    upstream.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', giveBody)
      else giveBody()
    })
    upstream.once('error', (error: NodeJS.ErrnoException) => {
      if (withBody) request.unpipe(upstream)
      if (response.headersSent || response.destroyed) {
        response.destroy()
        return settle('done')
      }
      // Most likely a kept connection that the service closed at the same moment; asked again is as good as asked once.
      const wasStale = upstream.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      const isRepeatable = !withBody && IDEMPOTENT.has(method ?? '')
      settle(!isGiven || (wasStale && isRepeatable) ? { retry: error } : { failed: error })
    })
    upstream.once('response', (answered) => {
      const own = responseHeaders(answered, `${route.service} ${addressOf(turn.endpoint)}`)
      const page = route.pages && injectScript(request, answered, own, route.pages)
      response.writeHead(answered.statusCode ?? 502, answered.statusMessage, page?.headers ?? own)
      if (answered.headers['content-length'] === undefined) response.flushHeaders()
      page?.body.once('error', () => response.destroy())
      ;(page?.body ?? answered).pipe(response)
      if (isEndless(answered)) turn.done()
      else answered.once('end', turn.done)
      answered.once('error', () => response.destroy()) // the service broke off: so does the answer
      answered.once('aborted', () => response.destroy())
      response.once('close', () => settle('done'))
    })
  })
}

/** A stream of events is nothing that a restart could wait for. */
function isEndless(answered: IncomingMessage): boolean {
  return answered.headers['content-type']?.startsWith('text/event-stream') === true
}
