import { createServer, type ServerResponse } from 'node:http'
import pg from 'pg'
import { callGrpc } from './call-grpc.ts'
import { askRedis } from '../../../src/drivers/database/redis-client.ts'

/**
 * A service that does what it is asked to: calls what its variables name. `{ call: 'http', variable, method, path }`, `{ call: 'sql', variable, text }`,
 * `{ call: 'redis', variable, words }`, `{ call: 'grpc', variable, path, text }`; the answer says what came back, or why nothing did. `GET /stream/VARIABLE/PATH` hands an answer on as it comes.
 */
interface Wish {
  call: 'http' | 'sql' | 'redis' | 'grpc'
  variable: string
  method?: string
  path?: string
  text?: string
  words?: string[]
  /** Of SQL: as a prepared statement. */
  isPrepared?: boolean
}

async function serve(wish: Wish): Promise<unknown> {
  const url = process.env[wish.variable] ?? ''
  if (wish.call === 'http') {
    const answer = await fetch(`${url}${wish.path}`, { method: wish.method ?? 'GET', ...(wish.text && { body: wish.text }) })
    return { status: answer.status, servedBy: answer.headers.get('shiv-served-by'), body: await answer.text() }
  }
  if (wish.call === 'grpc') return callGrpc(url, wish.path ?? '', wish.text ?? '')
  if (wish.call === 'redis') {
    const { hostname, port, password } = new URL(url)
    return {
      answer: await askRedis(
        { host: hostname, port: Number(port), password: decodeURIComponent(password) },
        wish.words ?? [],
        AbortSignal.timeout(10_000),
      ),
    }
  }
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    return { rows: (await client.query({ text: wish.text ?? '', ...(wish.isPrepared && { name: 'wish' }) })).rows as unknown[] }
  } finally {
    await client.end().catch(() => {}) // a refusal may have ended it
  }
}

async function handOn(url: string, response: ServerResponse): Promise<void> {
  try {
    const answer = await fetch(url)
    response.writeHead(answer.status)
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) response.write(chunk)
    response.end()
  } catch {
    response.destroy() // the caller sees the end
  }
}

const server = createServer((request, response) => {
  const [, stream, variable = '', ...path] = (request.url ?? '').split('/')
  if (stream === 'stream') {
    void handOn(`${process.env[variable]}/${path.join('/')}`, response)
    return
  }
  if (request.method !== 'POST') return void response.end('ok')
  let text = ''
  request.setEncoding('utf8').on('data', (part: string) => (text += part))
  request.on('end', () => {
    serve(JSON.parse(text) as Wish)
      .catch((error: Error & { code?: string }) => ({ error: { code: error.code ?? '', message: error.message } }))
      .then((answer) => response.end(JSON.stringify(answer)))
      .catch(() => response.destroy())
  })
})
server.listen(Number(process.env['PORT']))
process.on('SIGTERM', () => process.exit(0))
