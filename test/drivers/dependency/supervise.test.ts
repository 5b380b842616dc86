import { createServer } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { createBook } from '../../../src/drivers/dependency/stream/book.ts'
import { probeHttp } from '../../../src/drivers/dependency/stream/probe-http.ts'
import { supervise } from '../../../src/drivers/dependency/stream/supervise.ts'
import { freePort } from '../../support/free-port.ts'
import { until } from './support/until.ts'

test('a probe of HTTP is proved by any answer, by the upstream’s own way to it, and by nothing else', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.host}`)
    response.writeHead(401).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const signal = AbortSignal.timeout(5_000)
  const upstream = { url: new URL('http://billing.staging.example.com/base'), label: 'staging (billing)' }
  await probeHttp({ ...upstream, connect: async () => connect(port, '127.0.0.1') }, 1_000, signal)
  expect(asked).toEqual(['HEAD /base billing.staging.example.com'])
  server.close()
  await expect(
    probeHttp({ ...upstream, url: new URL(`http://127.0.0.1:${await freePort()}`) }, 1_000, signal),
  ).rejects.toMatchObject({
    code: 'DEPENDENCY_UNREACHABLE',
  })
})

test('green only after a proof, asked for anew when it is doubted, and seldom while there is none', async () => {
  const book = createBook(() => undefined)
  const stop = new AbortController()
  let probes = 0
  let isUp = false
  const over = supervise(
    book,
    async () => {
      probes += 1
      if (!isUp) throw new Error('away')
    },
    stop.signal,
  )
  await until(() => probes >= 4, 'it is asked again and again')
  expect(book.health()).toMatchObject({ state: 'failing', lastError: { message: 'away' } })
  isUp = true
  await until(() => book.health().state === 'ready', 'it is proved')
  const proved = probes
  book.doubt()
  expect(book.health().state).toBe('unknown')
  await until(() => book.health().state === 'ready', 'it is proved anew')
  expect(probes).toBe(proved + 1)
  stop.abort()
  await over
})
