import { request as httpRequest, type Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Endpoint } from '../../engine/ports.ts'
import { answer } from './answers.ts'
import { hasBody, requestHeaders, responseHeaders } from './forward-headers.ts'
import { refusalOf, unreachable } from './refusals.ts'
import { addressOf, type HoldLimits, type Route } from './route.ts'

/** What came of one attempt: answered (or the client is gone), or failed before anything of the request was given away. */
type Attempt = 'done' | { retry: Error } | { failed: Error }

/** Sends a request to the service's next endpoint, both ways streamed. Waits for a ready one, and goes on to another when a connection is refused. */
export async function forwardHttp(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  tools: { agent: Agent; limits: HoldLimits },
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const tried = new Set<string>()
  const end = Date.now() + tools.limits.timeoutMs
  for (;;) {
    const turn = await route.next(gone.signal, tried)
    if ('refused' in turn) return answer(request, response, refusalOf(route, turn.refused, tools.limits.timeoutMs / 1_000))
    const attempt = await send(request, response, route, turn.endpoint, tools.agent)
    if (attempt === 'done') return
    if ('failed' in attempt) return answer(request, response, unreachable(route, attempt.failed))
    if (Date.now() > end) return answer(request, response, unreachable(route, attempt.retry))
    tried.add(addressOf(turn.endpoint))
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  endpoint: Endpoint,
  agent: Agent,
): Promise<Attempt> {
  return new Promise((resolve) => {
    const withBody = hasBody(request)
    const { host, port } = endpoint
    const { method, url: path } = request
    let isGiven = false
    const upstream = httpRequest({ host, port, method, path, agent, headers: requestHeaders(request), setHost: false })

    const giveBody = (): void => {
      isGiven = true
      if (withBody) request.pipe(upstream)
      else upstream.end()
    }
    const onGone = (): unknown => upstream.destroy()
    const settle = (attempt: Attempt): void => {
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
      // A kept connection that the service closed at the same moment; nothing was processed, and nothing is lost by asking again.
      const wasStale = upstream.reusedSocket && !withBody && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      settle(!isGiven || wasStale ? { retry: error } : { failed: error })
    })
    upstream.once('response', (answered) => {
      const headers = responseHeaders(answered, `${route.service} ${addressOf(endpoint)}`)
      response.writeHead(answered.statusCode ?? 502, answered.statusMessage, headers)
      if (answered.headers['content-length'] === undefined) response.flushHeaders()
      answered.pipe(response)
      answered.once('error', () => response.destroy()) // the service broke off: so does the answer
      answered.once('aborted', () => response.destroy())
      response.once('close', () => settle('done'))
    })
  })
}
