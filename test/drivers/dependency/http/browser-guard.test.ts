import { expect, test } from 'vitest'
import { answering, ask, open, raw, rawUpstream } from './support.ts'

async function opened(): Promise<{ port: number; connections(): number }> {
  let connections = 0
  const server = await rawUpstream((socket) => {
    connections += 1
    answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')(socket)
  })
  const { port } = await open(
    {
      url: new URL('http://billing.staging.example.com'),
      connect: async () => (await import('node:net')).connect(server, '127.0.0.1'),
    },
    { hosts: ['billing.shop', 'billing.shop.svc', 'billing.shop.svc.cluster.local', 'invoices'] },
  )
  return { port, connections: () => connections }
}

test('it is asked for by its own names', async () => {
  const { port } = await opened()
  for (const host of [
    'localhost',
    '127.0.0.1:1',
    '[::1]:1',
    'billing',
    'BILLING:80',
    'billing.localhost:7',
    'billing.shop.svc',
    'billing.shop.svc.cluster.local',
    'billing.shop.svc.cluster.local.',
    'invoices',
  ])
    expect((await ask(port, { headers: { host } })).status, host).toBe(200)
})

test('DNS rebinding: another host is refused, and nothing is dialled', async () => {
  const { port, connections } = await opened()
  for (const host of [
    'evil.example',
    'evil.example:80',
    // Names of pods' that may be domains of the world.
    'billing.shop',
    'billing.staging.example.com',
    'billing.evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'billing.shop.svc.evil',
    '169.254.169.254',
    '[::2]',
    'billing@evil',
  ])
    expect(await ask(port, { headers: { host } }), host).toMatchObject({ status: 421, json: { code: 'PROXY_HOST_REFUSED' } })
  expect(await raw(port, 'GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 421 /)
  expect(connections()).toBe(0)
})

test('a page of another site is refused by what its browser says', async () => {
  const { port, connections } = await opened()
  const foreign = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://billing.shop' },
    { origin: 'http://billing' },
    { origin: 'http://localhost.evil.example' },
    { origin: 'file://' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'Cross-Site', origin: 'http://localhost' },
    { origin: 'chrome-extension://abc' },
  ]
  for (const headers of foreign)
    expect(
      await ask(port, { headers: { ...headers, host: 'localhost' } as Record<string, string> }),
      JSON.stringify(headers),
    ).toMatchObject({ status: 403, json: { code: 'PROXY_BROWSER_REFUSED' }, headers: { 'shiv-served-by': 'guard' } })
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', origin: 'https://evil.example', host: 'localhost' }
  expect((await ask(port, { headers: upgrade })).status).toBe(403)
  expect(connections()).toBe(0)
})

test('a page of this machine is not a stranger', async () => {
  const { port } = await opened()
  for (const headers of [
    { origin: 'http://localhost:3000' },
    { origin: 'http://shop.localhost:7777', 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
  ])
    expect(
      (await ask(port, { headers: { ...headers, host: 'localhost' } as Record<string, string> })).status,
      JSON.stringify(headers),
    ).toBe(200)
})
