import { createServer } from 'node:http'
import pg from 'pg'
import { askRedis } from '../../../src/drivers/database/redis-client.ts'
import { callGrpc } from './call-grpc.ts'

/**
 * A service as people write them: orders, put together from what staging has. `GET /orders/ITEM?of=NAME` asks a customer of Postgres, invoices over HTTP,
 * a greeting of Redis and a price over gRPC; `GET /customers` reads twice in one transaction.
 */
const { USERS_URL, BILLING_URL, CACHE_URL, PRICES_URL, PORT } = process.env
const users = new pg.Pool({ connectionString: USERS_URL, max: 2 })
users.on('error', () => {}) // the pool opens another connection

async function order(item: string, name: string): Promise<unknown> {
  const cache = new URL(CACHE_URL!)
  const address = { host: cache.hostname, port: Number(cache.port), password: decodeURIComponent(cache.password) }
  const [customer, invoices, greeting, price] = await Promise.all([
    users.query({ name: 'customer', text: 'select name, born from people where name = $1', values: [name] }),
    fetch(`${BILLING_URL}/invoices?of=${name}`).then((answer) => answer.json() as Promise<{ invoices: string[] }>),
    askRedis(address, ['GET', 'greeting'], AbortSignal.timeout(10_000)),
    callGrpc(PRICES_URL!, '/prices.Prices/Get', item),
  ])
  if (customer.rows.length === 0) return { error: 'no such customer' }
  return { customer: customer.rows[0] as unknown, invoices: invoices.invoices, greeting, price: price.text }
}

async function customers(): Promise<unknown> {
  const client = await users.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    const { rows } = await client.query<{ n: number }>('select count(*)::int as n from people')
    const all = await client.query<{ name: string }>('select name from people order by name')
    await client.query('commit')
    return { count: rows[0]!.n, names: all.rows.map(({ name }) => name) }
  } finally {
    client.release()
  }
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://orders')
  const item = /^\/orders\/(\w+)$/.exec(pathname)?.[1]
  if (item === undefined && pathname !== '/customers') return void response.end('ok')
  const answer = item === undefined ? customers() : order(item, searchParams.get('of') ?? '')
  answer
    .catch((error: Error) => ({ error: error.message }))
    .then((said) => response.end(JSON.stringify(said)))
    .catch(() => response.destroy())
})
server.listen(Number(PORT))
process.on('SIGTERM', () => process.exit(0))
