import { execa } from 'execa'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { evaluate } from '../support/inspector.ts'
import type { ParityResult } from '../../src/wire/messages.ts'
import { copyExample } from '../support/example.ts'
import { openShiv, readRun, type OwnShiv } from '../support/own-shiv.ts'

let own: OwnShiv
let orders: string

beforeAll(async () => {
  own = await openShiv('embedded')
  orders = join(own.folder, 'orders')
  await copyExample('orders', orders)
  await own.shiv(['start', orders, '--runtime', 'process'])
}, 240_000)

afterAll(async () => {
  await own.shiv(['stop', '--purge', '--yes'], { cwd: orders, reject: false })
  await own.close()
}, 60_000)

describe('the quick start, without Docker', () => {
  it('answers at its host name on the shared port and at a port of its own', async () => {
    const { url, directUrl } = (await run()).services[0]!
    expect(url).toMatch(/^http:\/\/orders\.localhost:\d+$/)
    expect(directUrl).not.toBe(url)
    for (const at of [url, directUrl]) {
      const { stdout } = await execa('curl', ['-sS', '-i', `${at}/healthz`])
      expect(stdout).toContain('200 OK')
      expect(stdout.toLowerCase()).toContain('shiv-served-by: orders')
    }
  })

  it('runs as many replicas as production starts with, and sends requests to each', async () => {
    const { services } = await run()
    expect(services[0]!.replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
    const answers = await Promise.all(Array.from({ length: 8 }, () => get('/healthz')))
    expect(new Set(answers.map((answer) => JSON.parse(answer).replica)).size).toBe(2)
  })

  it('keeps what was written over stop and start', async () => {
    await placeOrder('kept over a stop')
    await own.shiv(['stop'], { cwd: orders })
    expect(await ownProcesses()).toEqual([])
    await own.shiv(['start', '--runtime', 'process'], { cwd: orders })
    expect(await get('/orders')).toContain('kept over a stop')
  })

  it('gives psql a URL that works, and shows its password only when asked', async ({ skip }) => {
    const masked = (await run()).databases[0]!.url
    const { url } = (await readRun(own, orders, ['--show-secrets'])).databases[0]!
    expect(new URL(masked).password).toBe('***')
    expect(new URL(url).password.length).toBeGreaterThan(15)
    if ((await execa('psql', ['--version'], { reject: false })).exitCode !== 0)
      return skip('skipped: psql is not on this machine')
    expect((await execa('psql', [url, '-Atc', 'select 40 + 2'])).stdout).toBe('42')
  })

  it('prints structured logs of the service and of its database in one stream', async () => {
    await placeOrder('seen in the log')
    const lines = (await own.shiv(['logs', '--json'], { cwd: orders }))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).line)
    const sources = new Set(lines.map(({ source }) => source))
    expect(sources).toContain('orders')
    expect(sources).toContain('orders-db')
    expect(lines.some(({ source, fields }) => source === 'orders' && fields?.level === 'info')).toBe(true)
  })

  it('verifies parity against what runs, and reports no drift', async () => {
    const report = JSON.parse(await own.shiv(['parity', '-o', 'json'], { cwd: orders })) as ParityResult
    expect(report.verified).toBe(true)
    // As root the service is root too, which production never is: parity must say so.
    const drifted = report.facts.filter(({ live }) => live?.verdict === 'drifted').map(({ title }) => title)
    expect(drifted).toEqual(process.getuid!() === 0 ? ['not root'] : [])
    expect(report.facts.filter(({ live }) => live?.verdict === 'confirmed').length).toBeGreaterThan(3)
    expect(report.score).toBeGreaterThan(0)
    expect(report.score).toBeLessThan(100)
  })

  it('offers a debug endpoint that a debugger can attach to', async () => {
    const { debug } = (await run()).services[0]!
    const targets = (await (await fetch(`http://${debug!.host}:${debug!.port}/json/list`)).json()) as {
      webSocketDebuggerUrl: string
    }[]
    expect(await evaluate(targets[0]!.webSocketDebuggerUrl, '6 * 7')).toBe(42)
  })

  it('is found again by the next command after the daemon was killed', async () => {
    const before = await run()
    process.kill(await daemonPid(), 'SIGKILL')
    const after = await run()
    expect(after.services[0]!.replicas.map(({ pid }) => pid)).toEqual(before.services[0]!.replicas.map(({ pid }) => pid))
    await own.shiv(['start', '--runtime', 'process'], { cwd: orders })
    expect(await get('/orders')).toContain('kept over a stop')
  })

  it('restarts a replica that was killed', async () => {
    const victim = (await run()).services[0]!.replicas[0]!
    process.kill(victim.pid!, 'SIGKILL')
    await expect
      .poll(
        async () =>
          (await run()).services[0]!.replicas.filter(({ state, pid }) => state === 'ready' && pid !== victim.pid).length,
        { timeout: 20_000 },
      )
      .toBe(2)
  })

  it('shows an order in the browser the moment another replica takes it', async ({ skip }) => {
    if ((await execa('/usr/bin/chromium', ['--version'], { reject: false })).exitCode !== 0)
      return skip('skipped: chromium is not on this machine')
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
    try {
      const page = await browser.newPage()
      await page.goto((await run()).services[0]!.url!)
      await page.getByText('live', { exact: false }).first().waitFor()
      await page.fill('[name=customer]', 'Grace')
      await page.fill('[name=item]', 'seen in a browser')
      await page.click('text=Place order')
      await page.locator('#orders li', { hasText: 'seen in a browser' }).waitFor()
      await placeOrder('pushed to the browser')
      await page.locator('#orders li', { hasText: 'pushed to the browser' }).waitFor()
    } finally {
      await browser.close()
    }
  })

  it('leaves no process behind when it is stopped', async () => {
    await own.shiv(['stop'], { cwd: orders })
    expect(await ownProcesses()).toEqual([])
  })
})

const run = () => readRun(own, orders)

async function get(path: string): Promise<string> {
  const { directUrl } = (await run()).services[0]!
  const response = await fetch(directUrl + path)
  expect(response.status).toBe(200)
  return response.text()
}

async function placeOrder(item: string): Promise<void> {
  const { directUrl } = (await run()).services[0]!
  const body = JSON.stringify({ customer: 'Ada', item, quantity: 1 })
  const response = await fetch(`${directUrl}/orders`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  expect(response.status).toBe(201)
}

async function daemonPid(): Promise<number> {
  return (JSON.parse(await own.shiv(['status', '--all', '--json'])) as { daemon: { pid: number } }).daemon.pid
}

/** Processes, other than the daemon, whose environment or arguments name this test's folder. */
async function ownProcesses(): Promise<string[]> {
  const { stdout } = await execa('ps', ['-eo', 'pid=,args='])
  return stdout.split('\n').filter((line) => line.includes(own.folder) && !line.includes('daemon/main.js'))
}
