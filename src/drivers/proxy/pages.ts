import type { IncomingMessage, ServerResponse } from 'node:http'
import { answer } from './answers.ts'

const SCRIPT_PATH = '/.shiv/reload.js'
const EVENTS_PATH = '/.shiv/reload'

/** A browser has one for each page that is looked at. */
const MOST_STREAMS = 64

/** Reloads the page when another version serves than the one that it is of; a page that nobody looks at holds no connection. */
const SCRIPT = `(() => {
  const own = document.currentScript.dataset.sequence
  let events
  const listen = () => {
    if (events || document.visibilityState === 'hidden') return
    events = new EventSource('${EVENTS_PATH}')
    events.onmessage = ({ data }) => {
      if (data === own) return
      events.close()
      location.reload()
    }
  }
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'hidden') return listen()
    events?.close()
    events = undefined
  })
  listen()
})()
`

/** The pages of one service that reload by themselves: the script that they carry and the events that it hears. */
export interface Pages {
  /** What stands at the end of a page that is served now. */
  tag(nonce: string | undefined): string
  /** Answers what the script asks for; false when the request is the service's own. */
  answers(request: IncomingMessage, response: ServerResponse): boolean
  /** Another version serves. */
  announce(sequence: number): void
  close(): void
}

export function createPages(): Pages {
  let sequence: number | undefined
  const listeners = new Set<ServerResponse>()

  const stream = (request: IncomingMessage, response: ServerResponse): void => {
    if (!isOfOwnPage(request)) return answer(request, response, FOREIGN_PAGE)
    if (listeners.size >= MOST_STREAMS) return answer(request, response, TOO_MANY)
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'shiv-served-by': 'shiv' })
    response.write('retry: 300\n\n')
    // What was announced while the page was on its way.
    if (sequence !== undefined) response.write(`data: ${sequence}\n\n`)
    listeners.add(response)
    response.once('close', () => listeners.delete(response))
  }
  return {
    tag(nonce) {
      const nonceText = nonce === undefined ? '' : ` nonce="${nonce}"`
      return `<script src="${SCRIPT_PATH}" data-sequence="${sequence ?? ''}"${nonceText}></script>`
    },
    answers(request, response) {
      if (request.url === EVENTS_PATH) stream(request, response)
      else if (request.url === SCRIPT_PATH) {
        response.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-store' })
        response.end(SCRIPT)
      } else return false
      return true
    },
    announce(next) {
      sequence = next
      for (const listener of listeners) listener.write(`data: ${next}\n\n`)
    },
    close() {
      for (const listener of listeners) listener.end()
    },
  }
}

const FOREIGN_PAGE = {
  status: 403,
  code: 'PAGE_FOREIGN',
  message: 'Only pages of this service hear when it is reloaded.',
}
const TOO_MANY = {
  status: 503,
  code: 'TOO_MANY_STREAMS',
  message: `${MOST_STREAMS} pages already hear when this service is reloaded.`,
  hint: 'close some of its pages, and load this one again',
}

/** Whether a request comes from a page of the address that it goes to: browsers say where it is from, by one header or both. */
function isOfOwnPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site']
  const { origin, host } = headers
  return (site === undefined || site === 'same-origin') && (origin === undefined || origin === `http://${host?.toLowerCase()}`)
}
