import assert from 'node:assert/strict'
import { test } from 'node:test'

// shiv test and shiv ci say where the service runs.
const url = process.env.SHIV_URL
const skip = url === undefined && 'SHIV_URL is not set: run it with shiv test'

const place = (item, quantity) =>
  fetch(new URL('/orders', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ customer: 'Ada', item, quantity }),
  })

test('an order is kept', { skip }, async () => {
  const placed = await place('tea', 3)
  assert.equal(placed.status, 201)
  const { id } = await placed.json()
  const kept = await fetch(new URL(`/orders/${id}`, url))
  assert.equal(kept.status, 200)
  const order = await kept.json()
  assert.deepEqual([order.id, order.item, order.quantity], [id, 'tea', 3])
})

test('an order of nothing is refused', { skip }, async () => {
  assert.equal((await place('tea', 0)).status, 400)
})
