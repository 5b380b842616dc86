import assert from 'node:assert/strict'
import { test } from 'node:test'

const ask = async (path) => (await fetch(process.env.ORDERS_URL + path)).json()

test('an order has its customer, invoices, greeting and price', async () => {
  assert.deepEqual(await ask('/orders/beans?of=ada'), {
    customer: { name: 'ada', born: '1815-12-10T00:00:00.000Z' },
    invoices: ['one', 'two'],
    greeting: 'hello',
    price: '2.50',
  })
})

test('of somebody unknown there is none', async () => {
  assert.deepEqual(await ask('/orders/beans?of=nobody'), { error: 'no such customer' })
})

test('customers are counted and named in one transaction', async () => {
  assert.deepEqual(await ask('/customers'), { count: 2, names: ['ada', 'grace'] })
})
