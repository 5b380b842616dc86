import { createServer } from 'node:http'
import { config } from './config.js'
import { awaitDatabase, databaseAddress, pool } from './database.js'
import { BadRequest, sendJson } from './http.js'
import { closeLive, listen } from './live.js'
import { log, messageOf } from './log.js'
import { countRequest, serveMetrics } from './metrics.js'
import { findRoute } from './routes.js'

const server = createServer((request, response) => {
  const began = performance.now()
  const path = (request.url ?? '/').split('?')[0]!
  const method = request.method ?? 'GET'
  const { route, run } = findRoute(method, path)
  response.setHeader('x-replica', config.replica)
  response.on('finish', () => {
    const seconds = (performance.now() - began) / 1000
    countRequest(method, route, response.statusCode, seconds)
    if (route === '/healthz' || route === '/readyz') return
    log('info', 'request', { method, path, status: response.statusCode, ms: Math.round(seconds * 1000) })
  })
  Promise.resolve(run(request, response)).catch((error: unknown) => {
    if (error instanceof BadRequest) return sendJson(response, error.status, { error: error.message })
    log('error', 'request failed', { method, path, error: messageOf(error) })
    if (response.headersSent) return response.destroy()
    sendJson(response, 503, { error: 'the database does not answer' })
  })
})

await awaitDatabase(30)
const metrics = config.metricsPort === undefined ? undefined : serveMetrics(config.metricsPort)
const listening = listen()
server.listen(config.port, () => log('info', 'ready', { port: config.port, database: databaseAddress, replica: config.replica }))

async function stop(signal: string): Promise<void> {
  log('info', 'stopping', { signal })
  const closed = new Promise((resolve) => server.close(resolve))
  metrics?.close()
  await closeLive()
  await Promise.all([closed, listening])
  await pool.end()
  log('info', 'stopped')
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(signal))
