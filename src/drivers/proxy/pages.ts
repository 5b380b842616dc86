import type { IncomingMessage, ServerResponse } from 'node:http'

const SCRIPT_PATH = '/.shiv/reload.js'
const EVENTS_PATH = '/.shiv/reload'

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

  const stream = (response: ServerResponse): void => {
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
      if (request.url === EVENTS_PATH) stream(response)
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
