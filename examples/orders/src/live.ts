import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { config } from './config.js'
import { log, messageOf } from './log.js'
import { CHANNEL, findOrder } from './orders.js'
import { orderRow } from './page.js'

const browsers = new Set<ServerResponse>()
let isClosing = false
let listener: pg.Client | undefined

/** Keeps a response open and writes every change of an order to it, whichever replica made it. */
export function subscribe(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  response.write(`retry: 500\nevent: hello\ndata: ${JSON.stringify({ replica: config.replica })}\n\n`)
  browsers.add(response)
  response.on('close', () => browsers.delete(response))
}

/** Listens to the database for as long as the service runs; a lost connection is made again. */
export async function listen(): Promise<void> {
  while (!isClosing) {
    const client = new pg.Client({ connectionString: config.databaseUrl, keepAlive: true })
    try {
      const lost = new Promise<Error | undefined>((resolve) => client.on('error', resolve).on('end', () => resolve(undefined)))
      client.on('notification', ({ payload }) => void tellBrowsers(payload ?? ''))
      await client.connect()
      listener = client
      await client.query(`LISTEN ${CHANNEL}`)
      const error = await lost
      if (error) throw error
    } catch (error) {
      if (!isClosing) log('warn', 'lost the live updates, connecting again', { error: messageOf(error) })
    }
    if (!isClosing) await sleep(500)
  }
}

export async function closeLive(): Promise<void> {
  isClosing = true
  for (const response of browsers) response.end()
  await listener?.end()
}

async function tellBrowsers(id: string): Promise<void> {
  if (browsers.size === 0) return
  try {
    const order = await findOrder(id)
    if (!order) return
    const event = `event: order\ndata: ${JSON.stringify({ id, html: orderRow(order) })}\n\n`
    for (const response of browsers) response.write(event)
  } catch (error) {
    log('warn', 'could not read a changed order', { id, error: messageOf(error) })
  }
}
