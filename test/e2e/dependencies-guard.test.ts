import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blocksOf } from '../docs/pages.ts'
import { openShop, type Shop } from '../support/staging/shop.ts'
import { callerProgram } from '../support/staging/workspace.ts'

/** The tricks that the documentation lists, a line each. */
const TRICKS = blocksOf('docs/proxy-databases.md', 'sql').flatMap(({ text }) =>
  text.split('\n').filter((line) => line.trim() !== ''),
)

let shop: Shop
let service: string

beforeAll(async () => {
  shop = await openShop('guard', await callerProgram())
  service = await shop.url()
}, 240_000)

afterAll(() => shop?.close(), 60_000)

const call = async (wish: Record<string, unknown>): Promise<Record<string, any>> =>
  (await fetch(service, { method: 'POST', body: JSON.stringify(wish) })).json() as Promise<Record<string, any>>

/** Everything in the staging database that a trick could have changed. */
const database = async (): Promise<string> =>
  JSON.stringify(
    await shop.sql(
      `select (select string_agg(name, ',' order by name) from people) as people, (select last_value || is_called::text from numbers) as numbers,
        (select count(*) from pg_class where relnamespace = 'public'::regnamespace) as relations, (select count(*) from pg_largeobject_metadata) as large,
        (select count(*) from pg_locks where locktype = 'advisory') as locks, (select count(*) from pg_proc where pronamespace = 'public'::regnamespace) as functions`,
    ),
  )

describe('a write to staging by a service is refused, and what is there proves it', () => {
  it('over HTTP', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await call({ call: 'http', variable: 'BILLING_URL', path: '/invoices', method })
      expect([method, answer['status']]).toEqual([method, 403])
      expect(answer['body']).toContain('read-only')
    }
    expect(await call({ call: 'http', variable: 'BILLING_URL', path: '/invoices' })).toMatchObject({ status: 200 })
    expect(shop.billing.asked).toEqual(['GET /invoices'])
    expect(shop.billing.invoices).toEqual(['one', 'two'])
  })

  it('over gRPC, where only the methods that are listed pass', async () => {
    const set = await call({ call: 'grpc', variable: 'PRICES_URL', path: '/prices.Prices/Set', text: 'beans=0.01' })
    expect(set).toMatchObject({ status: '7', message: expect.stringContaining('read-only') })
    const near = [
      '/prices.Prices/Get/../Set',
      '/prices.Prices/get',
      '/prices.Prices/Get%2F..%2FSet',
      '/prices.Prices/Set?x=/prices.Prices/Get',
    ]
    for (const path of near) {
      const answer = await call({ call: 'grpc', variable: 'PRICES_URL', path, text: 'beans=0.01' })
      expect([path, answer['status']]).not.toEqual([path, '0'])
    }
    expect(await call({ call: 'grpc', variable: 'PRICES_URL', path: '/prices.Prices/Get', text: 'beans' })).toMatchObject({
      status: '0',
      text: '2.50',
    })
    expect(shop.prices.asked).toEqual(['/prices.Prices/Get'])
    expect([...shop.prices.prices]).toEqual([['beans', '2.50']])
    expect((await shop.tail('prices')).filter(({ outcome }) => outcome === 'refused')).toHaveLength(1 + near.length)
  })

  it('over Postgres, by each of twenty tricks, as plain and as prepared statements', async () => {
    expect(TRICKS).toHaveLength(20)
    const before = await database()
    for (const text of TRICKS) {
      for (const isPrepared of [false, true]) {
        const answer = await call({ call: 'sql', variable: 'USERS_URL', text, isPrepared })
        expect([text, isPrepared, answer['error']?.code]).toEqual([text, isPrepared, '25006'])
        expect(answer['error'].message).toContain('read-only')
      }
    }
    expect(await database()).toBe(before)
    expect(await shop.sql('select count(*)::int as n from people')).toEqual([{ n: 2 }])
    const refused = (await shop.tail('users')).filter(({ outcome, servedBy }) => outcome === 'refused' && servedBy === 'guard')
    expect(refused).toHaveLength(2 * TRICKS.length)
    expect(await call({ call: 'sql', variable: 'USERS_URL', text: 'select count(*)::int as n from people' })).toEqual({
      rows: [{ n: 2 }],
    })
  })

  it('over Redis', async () => {
    for (const words of [
      ['SET', 'greeting', 'gone'],
      ['DEL', 'greeting'],
      ['FLUSHALL'],
      ['EVAL', "return redis.call('set', 'greeting', 'gone')", '0'],
      ['CONFIG', 'SET', 'maxmemory', '1mb'],
      ['PUBLISH', 'news', 'x'],
    ]) {
      const answer = await call({ call: 'redis', variable: 'CACHE_URL', words })
      expect([words, answer['error']?.message]).toEqual([words, expect.stringMatching(/^READONLY .*read-only/)])
    }
    expect(await shop.redis('GET', 'greeting')).toBe('hello')
    expect(await shop.redis('DBSIZE')).toBe('1')
  })
})
