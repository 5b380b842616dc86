import { config } from './config.js'
import { pool } from './database.js'

export interface Order {
  id: string
  customer: string
  item: string
  quantity: number
  placedAt: Date
  /** The replica that took it. */
  placedBy: string
  shippedAt: Date | null
}

export interface NewOrder {
  customer: string
  item: string
  quantity: number
}

const COLUMNS = 'id, customer, item, quantity, placed_at AS "placedAt", placed_by AS "placedBy", shipped_at AS "shippedAt"'

/** Replicas tell each other about changes on this channel. */
export const CHANNEL = 'orders'

/** The input as an order, or what is wrong with it. */
export function parseOrder(input: Record<string, unknown>): { order: NewOrder } | { faults: string[] } {
  const faults: string[] = []
  const text = (name: string): string => {
    const value = typeof input[name] === 'string' ? input[name].trim() : ''
    if (value === '' || value.length > 80) faults.push(`${name} must be a text of 1 to 80 characters`)
    return value
  }
  const order = { customer: text('customer'), item: text('item'), quantity: Number(input['quantity'] ?? 1) }
  if (!Number.isInteger(order.quantity) || order.quantity < 1 || order.quantity > 999) {
    faults.push('quantity must be a whole number from 1 to 999')
  }
  return faults.length > 0 ? { faults } : { order }
}

export async function listOrders(): Promise<Order[]> {
  const { rows } = await pool.query<Order>(`SELECT ${COLUMNS} FROM orders ORDER BY id DESC LIMIT 50`)
  return rows
}

export async function findOrder(id: string): Promise<Order | undefined> {
  const { rows } = await pool.query<Order>(`SELECT ${COLUMNS} FROM orders WHERE id = $1`, [id])
  return rows[0]
}

export async function placeOrder({ customer, item, quantity }: NewOrder): Promise<Order> {
  const { rows } = await pool.query<Order>(
    `INSERT INTO orders (customer, item, quantity, placed_by) VALUES ($1, $2, $3, $4) RETURNING ${COLUMNS}`,
    [customer, item, quantity, config.replica],
  )
  await announce(rows[0]!)
  return rows[0]!
}

/** Undefined where there is no such order, or it was sent already. */
export async function shipOrder(id: string): Promise<Order | undefined> {
  const { rows } = await pool.query<Order>(
    `UPDATE orders SET shipped_at = now() WHERE id = $1 AND shipped_at IS NULL RETURNING ${COLUMNS}`,
    [id],
  )
  if (rows[0]) await announce(rows[0])
  return rows[0]
}

async function announce(order: Order): Promise<void> {
  await pool.query('SELECT pg_notify($1, $2)', [CHANNEL, order.id])
}
