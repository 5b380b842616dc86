import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createBearer, type Token } from '../../../../src/drivers/dependency/http/bearer.ts'
import { createBreaker } from '../../../../src/drivers/dependency/http/breaker.ts'
import { logNormal } from '../../../../src/drivers/dependency/http/faults.ts'
import { createRetryBudget } from '../../../../src/drivers/dependency/http/retry-budget.ts'
import { answering, ask, cleanUp, httpUpstream, open, rawUpstream, tokensOf, until } from './support.ts'

/** An upstream that answers with what it was asked. */
const echo = (): Promise<number> =>
  httpUpstream((request, response) => {
    response.setHeader('x-upstream', '1')
    response.end(JSON.stringify({ url: request.url, headers: request.headers, raw: request.rawHeaders }))
  })
const asked = async (port: number, question: Parameters<typeof ask>[1] = {}) => {
  const answer = await ask(port, question)
  return {
    ...answer,
    ...(JSON.parse(answer.body) as { url: string; raw: string[]; headers: Record<string, string> }),
    answered: answer.headers,
  }
}

test('headers are set and removed, both ways', async () => {
  const { port } = await open(await echo(), {
    rules: {
      request: { set: { 'X-Team': 'a' }, remove: ['X-Debug'] },
      response: { set: { 'X-Seen': '1' }, remove: ['x-upstream'] },
    },
  })
  const { headers, answered } = await asked(port, { headers: { 'x-debug': '1', 'x-team': 'b', 'x-kept': '1' } })
  expect(headers).toMatchObject({ 'x-team': 'a', 'x-kept': '1' })
  expect(headers).not.toHaveProperty('x-debug')
  expect(answered).toMatchObject({ 'x-seen': '1' })
  expect(answered).not.toHaveProperty('x-upstream')
})

test('Host is the upstream’s, the local one, or a name', async () => {
  const server = await echo()
  const { port, set } = await open(server)
  const host = async (): Promise<string | undefined> => (await asked(port, { headers: { host: 'billing:1234' } })).headers['host']
  expect(await host()).toBe(`127.0.0.1:${server}`)
  set({ rules: { host: 'local' } })
  expect(await host()).toBe('billing:1234')
  set({ rules: { host: { name: 'billing.example.com' } } })
  expect(await host()).toBe('billing.example.com')
})

test('Forwarded and X-Forwarded-* are sent when asked for, behind what the service says', async () => {
  const { port, set } = await open(await echo())
  const plain = (await asked(port)).headers
  for (const name of ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'])
    expect(plain).not.toHaveProperty(name)
  set({ rules: { forwarded: true } })
  const { headers } = await asked(port, { headers: { host: 'billing', 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9' } })
  expect(headers).toMatchObject({
    'x-forwarded-for': '9.9.9.9, 127.0.0.1',
    'x-forwarded-host': 'billing',
    'x-forwarded-proto': 'http',
    forwarded: 'for=9.9.9.9, for=127.0.0.1;host=billing;proto=http',
  })
})

test('paths are rewritten on borders of their parts, behind the path of the URL; places in answers are mapped back', async () => {
  const server = await httpUpstream((request, response) => {
    const here = `http://${request.headers.host}`
    const locations: Record<string, string> = {
      '/base/v2/a': `${here}/base/v2/b?c#d`,
      '/base/v2/rel': '/base/v2/c',
      '/base/v2/out': 'https://elsewhere.example/v2/x',
      '/base/v2/dots': 'next',
    }
    response.writeHead(302, { location: locations[request.url!] ?? request.url! })
    response.end()
  })
  const { port } = await open(
    { url: new URL(`http://127.0.0.1:${server}/base`) },
    { rules: { rewrite: [{ from: '/api', to: '/v2' }] } },
  )
  const location = async (path: string): Promise<string | undefined> =>
    (await ask(port, { path, headers: { host: 'billing:80' } })).headers.location
  expect(await location('/api/a')).toBe('http://billing:80/api/b?c#d')
  expect(await location('/api/rel')).toBe('/api/c')
  expect(await location('/api/out')).toBe('https://elsewhere.example/v2/x')
  expect(await location('/api/dots')).toBe('next')
  expect(await location('/apix')).toBe('/apix')
  expect(await location('/api?x=1')).toBe('/api?x=1')
})

test('cookies become the local name’s', async () => {
  const server = await httpUpstream((_request, response) => {
    response.writeHead(200, {
      'set-cookie': [
        'a=1; Domain=.test; Path=/v2/x; Secure; HttpOnly',
        'b=2; Domain=other.example',
        'c=3; SameSite=None; Secure',
        '__Host-d=4; Secure; Path=/',
        'e=5; SameSite=Lax',
      ],
    })
    response.end()
  })
  const { port } = await open(
    { url: new URL(`http://billing.test:${server}`), connect: undefined },
    { rules: { rewrite: [{ from: '/api', to: '/v2' }] } },
    {
      lookup: (_host, options, done) => (done as any)(null, options.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4),
    },
  )
  expect((await ask(port)).headers['set-cookie']).toEqual([
    'a=1; Path=/api/x; HttpOnly',
    'b=2; Domain=other.example',
    'c=3',
    '__Host-d=4; Secure; Path=/',
    'e=5; SameSite=Lax',
  ])
})

test('a bearer comes from a command without a shell, is asked for once, and is in no event', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-token-'))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  const count = join(folder, 'count')
  writeFileSync(count, '')
  const script = `require('fs').appendFileSync(process.argv[1], 'x'); console.log('secret-token')`
  const { port, events } = await open(await echo(), {
    rules: { auth: { bearer: { command: [process.execPath, '-e', script, count, '$(touch x)'] } } },
  })
  const all = await Promise.all([1, 2, 3].map(() => asked(port, { headers: { authorization: 'Basic theirs' } })))
  expect(all.map(({ headers }) => headers['authorization'])).toEqual([
    'Bearer secret-token',
    'Bearer secret-token',
    'Bearer secret-token',
  ])
  expect(readFileSync(count, 'utf8')).toBe('x')
  expect(JSON.stringify(events)).not.toContain('secret')
})

test('a bearer that cannot be had is a 502 that names no secret; from the environment and a context', async () => {
  const server = await echo()
  const { port, set } = await open(
    server,
    { rules: { auth: { bearer: { command: ['/nowhere/login', '--password=hush'] } } } },
    {
      readToken: async (source, signal) =>
        'kubeContext' in source.bearer ? { token: 'from-context' } : tokensOf({ TOKEN: 'from-env' })(source, signal),
    },
  )
  const failed = await ask(port)
  expect(failed).toMatchObject({ status: 502, json: { code: 'DEPENDENCY_COMMAND_FAILED' } })
  expect(failed.body).not.toContain('hush')
  set({ rules: { auth: { bearer: { env: 'NO_SUCH' } } } })
  expect(await ask(port)).toMatchObject({ status: 502, json: { code: 'DEPENDENCY_TOKEN_FAILED' } })
  set({ rules: { auth: { bearer: { env: 'TOKEN' } } } })
  expect((await asked(port)).headers['authorization']).toBe('Bearer from-env')
  set({ rules: { auth: { bearer: { kubeContext: 'staging' } } } })
  expect((await asked(port)).headers['authorization']).toBe('Bearer from-context')
})

test('after a 401 the token is read once more; a request that may be repeated is', async () => {
  const seen: string[] = []
  const server = await httpUpstream((request, response) => {
    seen.push(`${request.method} ${request.headers.authorization}`)
    response.writeHead(request.headers.authorization === 'Bearer 2' ? 200 : 401).end()
  })
  let reads = 0
  const { port } = await open(
    server,
    { rules: { auth: { bearer: { kubeContext: 'staging' } } } },
    { readToken: async () => ({ token: String(++reads) }) },
  )
  expect((await ask(port)).status).toBe(200)
  expect(seen).toEqual(['GET Bearer 1', 'GET Bearer 2'])
  expect((await ask(port, { body: 'x' })).status).toBe(200)
  expect(reads).toBe(2)
})

test('a token is refreshed before it ends, beside the requests; never a second time in a row for a 401', async () => {
  let now = 0
  let reads = 0
  const bearer = createBearer(
    { bearer: { env: 'X' } },
    async (): Promise<Token> => ({ token: `t${++reads}`, expiresAt: now + 200_000 }),
    () => now,
  )
  expect(await bearer.get()).toBe('t1')
  now = 139_000
  expect(bearer.get()).toBe('t1')
  expect(reads).toBe(1)
  now = 141_000
  expect(bearer.get(), 'the old one is good for now').toBe('t1')
  await until(() => reads === 2, 'the refresh')
  await Promise.resolve()
  expect(await bearer.get()).toBe('t2')
  expect(await bearer.renew('t1'), 'there is another already').toBe('t2')
  expect(await bearer.renew('t2')).toBe('t3')
  expect(bearer.renew('t3')).toBeUndefined()
})

test('a redirect to another host carries no token there', async () => {
  const elsewhere: (string | undefined)[] = []
  const other = await httpUpstream((request, response) => {
    elsewhere.push(request.headers.authorization)
    response.end('other')
  })
  const server = await httpUpstream(
    (_request, response) => void response.writeHead(302, { location: `http://localhost:${other}/` }).end(),
  )
  const { port } = await open(
    server,
    { rules: { auth: { bearer: { env: 'TOKEN' } } } },
    { readToken: tokensOf({ TOKEN: 'secret' }) },
  )
  const { headers, rawHeaders } = await ask(port)
  expect(JSON.stringify(rawHeaders)).not.toContain('secret')
  await new Promise((resolve) => httpRequest(headers.location!, resolve).end())
  expect(elsewhere).toEqual([undefined])
})

test('retries: safe requests only, as often as allowed, within the budget', async () => {
  const seen: string[] = []
  const server = await httpUpstream((request, response) => {
    seen.push(request.method!)
    response.writeHead(seen.length % 3 === 0 ? 200 : 503).end()
  })
  const { port, set } = await open(server, { rules: { retries: { attempts: 2, budget: 10 } } })
  expect((await ask(port)).status).toBe(200)
  expect(seen).toEqual(['GET', 'GET', 'GET'])
  expect((await ask(port, { body: 'x' })).status).toBe(503)
  expect(seen).toHaveLength(4)
  set({ rules: { retries: { attempts: 5, budget: 0 } } })
  await ask(port)
  expect(seen.length, 'one retry is always free').toBeLessThanOrEqual(6)
})

test('the retry budget is a part of the last ten seconds', () => {
  let now = 0
  const budget = createRetryBudget(0.2, () => now)
  for (let count = 0; count < 20; count += 1) budget.countRequest()
  expect([1, 2, 3, 4, 5].map(() => budget.take())).toEqual([true, true, true, true, false])
  now = 11_000
  expect([budget.take(), budget.take()]).toEqual([true, false])
})

test('the circuit breaker opens, lets one try, and closes', async () => {
  let now = 0
  const breaker = createBreaker({ failures: 2, coolMs: 100 }, () => now)
  breaker.report(false)
  expect(breaker.admit()).toEqual({ admitted: true })
  breaker.report(false)
  expect(breaker.admit()).toEqual({ admitted: false, waitMs: 100 })
  now = 100
  expect(breaker.admit()).toEqual({ admitted: true })
  expect(breaker.admit(), 'one at a time').toMatchObject({ admitted: false })
  breaker.report(true)
  expect(breaker.admit()).toEqual({ admitted: true })

  let connections = 0
  const server = await rawUpstream((socket) => {
    connections += 1
    socket.destroy()
  })
  const { port } = await open(server, { rules: { breaker: { failures: 2, coolMs: 60_000 } } })
  expect([(await ask(port)).status, (await ask(port)).status]).toEqual([502, 502])
  expect(await ask(port)).toMatchObject({ status: 503, json: { code: 'PROXY_BREAKER_OPEN' }, headers: { 'retry-after': '1' } })
  expect(connections).toBe(2)
})

test('faults: errors, cut answers, latency and bandwidth; switched live, and off again', async () => {
  let reached = 0
  const server = await httpUpstream((_request, response) => {
    reached += 1
    response.end('x'.repeat(20_000))
  })
  const { port, set, events } = await open(server, { faults: { errorRate: 1, errorStatus: 418 } })
  expect(await ask(port)).toMatchObject({ status: 418, headers: { 'shiv-served-by': 'fault' }, json: { code: 'PROXY_FAULT' } })
  expect(reached).toBe(0)
  set({ faults: { cutRate: 1 } })
  await expect(ask(port)).rejects.toThrow(/aborted|hang up|reset/)
  expect(events.at(-1)).toMatchObject({ outcome: 'failed', servedBy: 'fault' })
  set({ faults: { latency: { p50: 120, p99: 120 } } })
  await ask(port)
  expect(events.at(-1)!.durationMs).toBeGreaterThan(100)
  set({ faults: { bytesPerSecond: 100_000 } })
  expect((await ask(port)).body).toHaveLength(20_000)
  expect(events.at(-1)!.durationMs, '20 kB at 100 kB/s, less the first tenth of a second').toBeGreaterThan(80)
  set({ faults: undefined })
  expect((await ask(port)).status).toBe(200)
})

test('the latency of faults has the median and the 99th percentile that were asked for', () => {
  let state = 1
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
  const samples = Array.from({ length: 20_000 }, () => logNormal({ p50: 100, p99: 1_000 }, random)).sort((a, b) => a - b)
  expect(samples[10_000]! / 100).toBeCloseTo(1, 0)
  expect(samples[19_800]!).toBeGreaterThan(850)
  expect(samples[19_800]!).toBeLessThan(1_150)
})

test('a switch is live: what comes next goes by it, what is under way keeps what it began with', async () => {
  let finish = (): void => {}
  const one = await httpUpstream((_request, response) => {
    response.write('one ')
    finish = () => response.end('still one')
  })
  const two = await httpUpstream((_request, response) => void response.end('two'))
  const { port, set, setting, dependency } = await open(one)
  const slow = ask(port)
  await until(() => dependency.health().provenAt !== undefined, 'the answer to begin')
  set({ mode: 'local', upstream: { ...setting.upstream!, url: new URL(`http://127.0.0.1:${two}`), label: 'local (billing)' } })
  expect(dependency.health().state).toBe('unknown')
  expect(await ask(port)).toMatchObject({ body: 'two', headers: { 'shiv-served-by': 'local' } })
  expect(dependency.health().state).toBe('ready')
  set({ mode: 'staging', access: { level: 'read_only', allow: [] } })
  expect((await ask(port, { method: 'DELETE' })).status).toBe(403)
  finish()
  expect(await slow).toMatchObject({ body: 'one still one', headers: { 'shiv-served-by': 'staging (billing)' } })
})

test('health: percentiles of answers, and counts', async () => {
  const server = await rawUpstream(answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  const { port, dependency } = await open(server, { access: { level: 'read_only', allow: [] } })
  expect(dependency.health()).toEqual({ state: 'unknown', requests: 0, refused: 0, failed: 0, openConnections: 0 })
  for (let count = 0; count < 5; count += 1) await ask(port)
  await ask(port, { method: 'DELETE' })
  const health = dependency.health()
  expect(health).toMatchObject({ state: 'ready', requests: 6, refused: 1, failed: 0, openConnections: 1 })
  expect(health.p50).toBeGreaterThan(0)
  expect(health.p99).toBeGreaterThanOrEqual(health.p50!)
})
