import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Answer {
  status: number
  code: string
  message: string
  hint?: string
  services?: { name: string; url: string }[]
}

/** An answer of the front door's own: a small page for browsers, JSON for others. */
export function answer(request: IncomingMessage, response: ServerResponse, content: Answer): void {
  if (response.headersSent) return void response.destroy()
  const isHtml = (request.headers.accept ?? '').includes('text/html')
  const body = isHtml ? page(content) : `${JSON.stringify(shape(content), undefined, 2)}\n`
  response.writeHead(content.status, {
    'content-type': isHtml ? 'text/html; charset=utf-8' : 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    'shiv-served-by': 'shiv',
    ...(content.status === 503 && { 'retry-after': '1' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** The same for a socket that asked to be upgraded. */
export function rawAnswer({ status, code, message }: Answer): string {
  const body = `${JSON.stringify({ error: { code, message } })}\n`
  return `HTTP/1.1 ${status} ${code}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\nshiv-served-by: shiv\r\n\r\n${body}`
}

function shape({ status, code, message, hint, services }: Answer): object {
  const about = { code, message, ...(hint !== undefined && { hint }) }
  return { ...(status < 400 ? { message } : { error: about }), ...(services && { services }) }
}

function page({ message, hint, services }: Answer): string {
  const links = (services ?? []).map(
    ({ name, url }) => `<li><a href="${escape(url)}">${escape(name)}</a> <small>${escape(url)}</small></li>`,
  )
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>shiv</title>
<style>body{font:16px/1.6 system-ui;max-width:40rem;margin:12vh auto;padding:0 1rem;color-scheme:light dark}small{opacity:.6}</style>
<h1>shiv</h1>
<p>${escape(message)}</p>${hint === undefined ? '' : `\n<p><small>${escape(hint)}</small></p>`}${links.length > 0 ? `\n<ul>\n${links.join('\n')}\n</ul>` : ''}
</html>
`
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
