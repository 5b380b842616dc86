import type { IncomingMessage } from 'node:http'
import { Transform, type Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { Pages } from './pages.ts'
import { pagePolicy } from './page-policy.ts'

/** Of another body than the service's, or of a cache that would show a page of an older version. */
const OUTDATED = new Set(['content-length', 'content-encoding', 'etag', 'last-modified', 'cache-control', 'accept-ranges'])
const WITHOUT_BODY = new Set([204, 205, 206, 304])

const decoders: Record<string, () => Transform> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}

/**
 * A page with the script at its end, streamed on as it comes, and its headers; undefined for what is no page of a browser's window.
 * Where a page cannot have the script it stays as it is, and the header `shiv-reload` says why.
 */
export function injectScript(
  request: IncomingMessage,
  answered: IncomingMessage,
  headers: string[],
  pages: Pages,
): { headers: string[]; body: Readable } | undefined {
  if (!isPage(request, answered)) return undefined
  const refuse = (why: string) => ({ headers: [...headers, 'shiv-reload', `off: ${why}`], body: answered })
  const policy = pagePolicy(answered.headers['content-security-policy'] as string | undefined)
  if ('forbiddenBy' in policy) return refuse(`${policy.forbiddenBy} of the Content-Security-Policy forbids its script`)
  const encoding = answered.headers['content-encoding']?.toLowerCase() ?? 'identity'
  const decoder = encoding === 'identity' ? undefined : decoders[encoding]
  if (encoding !== 'identity' && decoder === undefined) return refuse(`the encoding ${encoding} is not known here`)

  const tag = pages.tag(policy.nonce)
  const length = decoder === undefined ? answered.headers['content-length'] : undefined
  return {
    headers: [
      ...without(headers, OUTDATED),
      ...(length === undefined ? [] : ['Content-Length', String(Number(length) + Buffer.byteLength(tag))]),
      'Cache-Control',
      'no-store',
      'shiv-reload',
      'on',
    ],
    body: withEnd(answered, tag, decoder?.()),
  }
}

/** Whole documents that a window or frame asked for: a fragment that a script fetches stays what it is. */
function isPage(request: IncomingMessage, answered: IncomingMessage): boolean {
  const type = answered.headers['content-type'] ?? ''
  if (request.method === 'HEAD' || WITHOUT_BODY.has(answered.statusCode ?? 0)) return false
  if (!/^text\/html\b/i.test(type) || /charset="?utf-(16|32)/i.test(type)) return false
  const destination = request.headers['sec-fetch-dest']
  if (destination !== undefined) return destination === 'document' || destination === 'iframe'
  return request.headers.accept?.includes('text/html') === true
}

function withEnd(answered: IncomingMessage, tag: string, decoder: Transform | undefined): Readable {
  const end = new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(null, chunk),
    flush(done) {
      // Of a page that broke off nothing is the end.
      if (answered.complete) this.push(tag)
      done()
    },
  })
  if (decoder === undefined) return answered.pipe(end)
  decoder.once('error', (error) => end.destroy(error))
  return answered.pipe(decoder).pipe(end)
}

function without(headers: string[], names: ReadonlySet<string>): string[] {
  return headers.filter((_, index) => !names.has(headers[index - (index % 2)]!.toLowerCase()))
}
