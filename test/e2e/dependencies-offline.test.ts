import { execa } from 'execa'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readRun } from '../support/own-shiv.ts'
import { openShop, API_TOKEN, READER, REDIS_PASSWORD, TOKEN, type Shop } from '../support/staging/shop.ts'
import { ordersProgram } from '../support/staging/workspace.ts'

const NAMES = ['billing', 'prices', 'users', 'cache']
let shop: Shop

beforeAll(async () => {
  const tests = readFileSync(join(import.meta.dirname, '../support/staging/orders-tests.mjs'), 'utf8')
  shop = await openShop('offline', await ordersProgram(), { 'orders/orders.test.mjs': tests })
}, 240_000)

afterAll(() => shop?.close(), 60_000)

/** The service's own tests, as its developer runs them. */
const runTests = async () => {
  const env = { ORDERS_URL: await shop.url() }
  return execa(process.execPath, ['--test', join(shop.folder, 'orders/orders.test.mjs')], { env, reject: false, all: true })
}
const pids = async () =>
  (await readRun(shop.own, shop.folder)).services.map(({ name, replicas }) => [name, replicas.map(({ pid }) => pid)])

describe('a run of orders, recorded against staging', () => {
  it('passes its tests there while every protocol is recorded', async () => {
    for (const name of NAMES) await shop.proxy('mode', name, 'record')
    const { exitCode, all } = await runTests()
    expect(exitCode, all).toBe(0)
  })

  it('passes them again from the recordings with the network cut, in every protocol, without a restart', async () => {
    const before = await pids()
    for (const name of NAMES) await shop.proxy('mode', name, 'replay')
    await shop.cutStaging()
    const { exitCode, all } = await runTests()
    expect(exitCode, all).toBe(0)
    for (const name of NAMES) {
      const events = (await shop.tail(name)).filter(({ servedBy }) => servedBy === 'recording')
      expect([name, events.length > 0]).toEqual([name, true])
      expect((await shop.tail(name)).at(-1)).toMatchObject({ servedBy: 'recording', outcome: 'answered' })
    }
    expect(await pids()).toEqual(before)
  })

  it('says what it lacks, in the words of each protocol', async () => {
    const orders = await shop.url()
    const ask = async (path: string) => (await fetch(orders + path)).json() as Promise<{ error?: string }>
    const { error = '' } = await ask('/orders/beans?of=joan')
    expect(error).toMatch(/No recorded select name, born from people where name = \$1 has these parameters/)
    const refused = (await shop.tail('users')).at(-1)
    expect(refused).toMatchObject({ outcome: 'refused', servedBy: 'nobody', status: 'SH001' })
  })

  it('left recordings that can be reviewed, and none of the secrets', async () => {
    const inFolder = (folder: string): string[] =>
      readdirSync(join(shop.folder, folder)).flatMap((file) => (/\.(har|jsonl)$/.test(file) ? [`${folder}/${file}`] : []))
    const files = [...inFolder('orders/kept'), ...inFolder('recordings').sort()]
    expect(files).toEqual([
      'orders/kept/users.jsonl',
      'recordings/billing.har',
      'recordings/cache.jsonl',
      'recordings/prices.jsonl',
    ])
    for (const file of files) {
      const text = readFileSync(join(shop.folder, file), 'utf8')
      for (const secret of [TOKEN, API_TOKEN, READER.password, REDIS_PASSWORD]) expect(text.includes(secret), file).toBe(false)
      expect(await shop.proxy('check', file)).toContain('can be played')
    }
    expect(readFileSync(join(shop.folder, 'orders/kept/users.jsonl'), 'utf8')).toContain(
      '"command":"select name, born from people where name = $1"',
    )
  })

  it('wrote one of them into the folder of the service, which was neither restarted nor synced for it', async () => {
    const why = await shop.own.shiv(['why', 'orders/kept/users.jsonl', 'orders/kept/users.jsonl.journal'], { cwd: shop.folder })
    expect(why.match(/a recording of shiv proxy/g)).toHaveLength(2)
    const { loops } = JSON.parse(await shop.own.shiv(['loop', '--json'], { cwd: shop.folder })) as { loops: unknown[] }
    expect(loops).toEqual([])
  })

  it('is played by a daemon that starts without a network', async () => {
    const yaml = readFileSync(join(shop.folder, 'orders/service.yaml'), 'utf8')
    await shop.own.shiv(['stop'], { cwd: shop.folder })
    await shop.own.shiv(['daemon', 'stop'], { cwd: shop.folder })
    await writeFile(join(shop.folder, 'orders/service.yaml'), yaml.replaceAll('env: staging', 'env: staging, mode: replay'))
    await shop.own.shiv(['start', '--runtime', 'process'], { cwd: shop.folder })
    const { exitCode, all } = await runTests()
    expect(exitCode, all).toBe(0)
  })
})
