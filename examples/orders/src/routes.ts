import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { config } from './config.js'
import { pool } from './database.js'
import { BadRequest, readFields, redirect, sendHtml, sendJson, wantsPage } from './http.js'
import { subscribe } from './live.js'
import { countOrder } from './metrics.js'
import { findOrder, listOrders, parseOrder, placeOrder, shipOrder } from './orders.js'
import { renderPage } from './page.js'
import { fetchUsers } from './users.js'

type Handler = (request: IncomingMessage, response: ServerResponse, id: string) => Promise<void> | void

const routes: [method: string, route: string, handler: Handler][] = [
  ['GET', '/', showPage],
  ['GET', '/orders', async (_request, response) => sendJson(response, 200, await listOrders())],
  ['POST', '/orders', place],
  ['GET', '/orders/:id', show],
  ['POST', '/orders/:id/ship', ship],
  ['GET', '/events', (_request, response) => subscribe(response)],
  ['GET', '/healthz', (_request, response) => sendJson(response, 200, { status: 'ok', replica: config.replica })],
  ['GET', '/readyz', ready],
  ['GET', '/style.css', asset('style.css', 'text/css')],
  ['GET', '/live.js', asset('live.js', 'text/javascript')],
]

/** The route of a request, by its pattern, and what answers it. */
export function findRoute(method: string, path: string): { route: string; run: (request: IncomingMessage, response: ServerResponse) => unknown } {
  const wanted = method === 'HEAD' ? 'GET' : method
  const id = /^\/orders\/(\d{1,18})(?:\/|$)/.exec(path)?.[1] ?? ''
  const route = id ? path.replace(id, ':id') : path
  const found = routes.find(([known, pattern]) => known === wanted && pattern === route)
  if (found) return { route, run: (request, response) => found[2](request, response, id) }
  return { route: 'none', run: (_request, response) => sendJson(response, 404, { error: `there is no ${wanted} ${path}` }) }
}

async function showPage(request: IncomingMessage, response: ServerResponse): Promise<void> {
  await sendPage(request, response, 200)
}

async function sendPage(request: IncomingMessage, response: ServerResponse, status: number, fault?: string): Promise<void> {
  const [orders, users, version] = await Promise.all([listOrders(), fetchUsers(), pool.query<{ server_version: string }>('SHOW server_version')])
  const databaseVersion = `PostgreSQL ${version.rows[0]!.server_version.split(' ')[0]}`
  const url = `http://${request.headers.host}`
  sendHtml(response, status, renderPage({ orders, users, databaseVersion, url, ...(fault !== undefined && { fault }) }))
}

async function place(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parsed = parseOrder(await readFields(request))
  if ('faults' in parsed) {
    if (wantsPage(request)) return sendPage(request, response, 400, parsed.faults.join('; '))
    return sendJson(response, 400, { error: parsed.faults.join('; '), faults: parsed.faults })
  }
  const order = await placeOrder(parsed.order)
  countOrder()
  if (wantsPage(request)) return redirect(response, '/')
  response.setHeader('location', `/orders/${order.id}`)
  sendJson(response, 201, order)
}

async function show(_request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
  const order = await findOrder(id)
  if (!order) throw new BadRequest(404, `there is no order ${id}`)
  sendJson(response, 200, order)
}

async function ship(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
  const order = await shipOrder(id)
  if (wantsPage(request)) return redirect(response, '/')
  if (!order) throw new BadRequest(409, `order ${id} is not waiting to be sent`)
  sendJson(response, 200, order)
}

async function ready(_request: IncomingMessage, response: ServerResponse): Promise<void> {
  await pool.query('SELECT 1')
  sendJson(response, 200, { status: 'ready' })
}

function asset(name: string, type: string): Handler {
  const body = readFileSync(new URL(`../public/${name}`, import.meta.url))
  return (_request, response) => {
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-cache' })
    response.end(body)
  }
}
