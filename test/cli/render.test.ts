import { expect, test } from 'vitest'
import { createStyle } from '../../src/core/style.ts'
import { createLogRenderer } from '../../src/cli/render/logs.ts'
import { maskPassword, maskRun } from '../../src/cli/render/mask.ts'
import { renderDoctor } from '../../src/cli/render/doctor.ts'
import { renderParity } from '../../src/cli/render/parity.ts'
import { describeEvent, describeHealth } from '../../src/cli/render/progress-plain.ts'
import { renderLoops } from '../../src/cli/render/loop.ts'
import { renderRun } from '../../src/cli/render/run.ts'
import { renderStarted } from '../../src/cli/render/started.ts'
import { renderStatus } from '../../src/cli/render/status.ts'
import { renderWhy } from '../../src/cli/render/why.ts'
import type { Loop } from '../../src/wire/messages.ts'
import { degradedRun, doctorResult, healthyRun, NOW, parityReport, startResult, whyResult } from './samples.ts'

const plain = createStyle({ colour: false, unicode: true })
const ascii = createStyle({ colour: false, unicode: false })
const colour = createStyle({ colour: true, unicode: true })
const text = (lines: string[]): string => `${lines.join('\n')}\n`
const golden = (name: string): string => `../golden/cli/${name}.txt`

test('status', async () => {
  const runs = [maskRun(healthyRun), maskRun(degradedRun)]
  await expect(text(renderStatus(runs, { style: plain, now: NOW, wide: false }))).toMatchFileSnapshot(golden('status'))
})

test('status -o wide', async () => {
  await expect(text(renderRun(maskRun(degradedRun), { style: plain, now: NOW, wide: true }))).toMatchFileSnapshot(
    golden('status-wide'),
  )
})

test('status in colours', async () => {
  await expect(text(renderRun(maskRun(degradedRun), { style: colour, now: NOW, wide: false }))).toMatchFileSnapshot(
    golden('status-colour'),
  )
})

test('status when nothing runs', () => {
  expect(renderStatus([], { style: plain, now: NOW, wide: false })).toEqual(['nothing runs'])
})

test('status of what was stopped: that it is there, and nothing of its tables', () => {
  const stopped = { ...healthyRun, state: 'stopped' as const }
  expect(renderStatus([stopped], { style: plain, now: NOW, wide: false })).toEqual([
    'nothing runs',
    'shop · kind · local · stopped · 5m · /home/ada/shop',
  ])
})

test('the end of start', async () => {
  const shown = { ...startResult, run: maskRun(startResult.run) }
  await expect(text(renderStarted(shown, { style: plain, now: NOW }))).toMatchFileSnapshot(golden('started'))
})

test('parity', async () => {
  await expect(text(renderParity(parityReport, { style: plain, wide: false }))).toMatchFileSnapshot(golden('parity'))
})

test('why', async () => {
  await expect(text(renderWhy(whyResult, { style: plain, cwd: '/home/dev/shop' }))).toMatchFileSnapshot(golden('why'))
  expect(text(renderWhy(whyResult, { style: ascii, cwd: '/' }))).not.toMatch(/[→·…]/)
})

test('parity -o wide', async () => {
  await expect(text(renderParity(parityReport, { style: plain, wide: true }))).toMatchFileSnapshot(golden('parity-wide'))
})

test('without Unicode, output is ASCII', () => {
  const lines = [
    ...renderParity(parityReport, { style: ascii, wide: false }),
    ...renderStatus([healthyRun], { style: ascii, now: NOW, wide: true }),
    ...renderStarted(startResult, { style: ascii, now: NOW }),
    ...renderDoctor(doctorResult, ascii),
  ]
  expect(text(lines)).toMatch(/^[\n\x20-\x7e]*$/)
})

test('a score is not rounded up to what was not reached', () => {
  const report = { ...parityReport, score: 79.99 }
  expect(renderParity(report, { style: plain, wide: false }).at(-1)).toContain('score 79.9 of 100')
})

test('doctor', async () => {
  await expect(text(renderDoctor(doctorResult, plain))).toMatchFileSnapshot(golden('doctor'))
})

test.each([
  ['postgres://orders:s3cr3t%40word@127.0.0.1:5433/orders', 'postgres://orders:***@127.0.0.1:5433/orders'],
  ['redis://:hunter22@127.0.0.1:6380/0', 'redis://:***@127.0.0.1:6380/0'],
  ['mongodb+srv://a:b@c@host/x', 'mongodb+srv://a:***@host/x'],
  ['http://127.0.0.1:7331/a:b@c', 'http://127.0.0.1:7331/a:b@c'],
])('the password of %s is masked', (url, masked) => {
  expect(maskPassword(url)).toBe(masked)
})

test('logs: structured lines are read, others stay, and nothing moves the cursor', async () => {
  const render = createLogRenderer(plain)
  const line = (source: string, replica: string, raw: string, fields?: Record<string, unknown>) =>
    render({
      time: new Date(2026, 2, 1, 12, 34, 56, 789).getTime(),
      source,
      replica,
      stream: 'stdout',
      text: raw,
      ...(fields && { fields }),
    })
  const lines = [
    line('orders', 'x2x4z', 'plain text'),
    line('orders', 'x2x4z', '', { level: 'info', msg: 'listening', port: 3000, time: 1 }),
    line('orders', 'x2x4z', '', { level: 50, msg: 'cannot reach the database', error: 'connect ECONNREFUSED', retry: { in: 5 } }),
    line('orders-db', '', '\u001b[2J\u001b[31mred\u001b[0m and gone'),
    line('reports', '1', '', { severity: 'WARNING', message: 'slow "query"', took_ms: 812, sql: 'select 1' }),
  ]
  await expect(text(lines)).toMatchFileSnapshot(golden('logs'))
})

test('logs in colour keep the colours of the service and drop what clears the screen', () => {
  const render = createLogRenderer(colour)
  const shown = render({ time: NOW, source: 'a', replica: '', stream: 'stdout', text: '\u001b[2J\u001b[31mred\u001b[0m' })
  expect(shown).toContain('\u001b[31mred\u001b[0m')
  expect(shown).not.toContain('\u001b[2J')
})

test.each([
  ['a window title', '\u001b]0;owned\u0007'],
  ['a terminal query', '\u001bP+q544e\u001b\\'],
  ['a broken sequence', '\u001b[\u001b\u001b[2'],
  ['one of a single byte', '\u009b2J'],
  ['a line over another', 'hidden\rshown\b\u0007\u000e'],
  ['a text that runs backwards', '\u202eevil'],
])('logs: %s is not for the terminal to obey', (_what, raw) => {
  const about = { time: NOW, source: 'a', replica: '', stream: 'stdout' as const, text: raw }
  const lines = [colour, plain].flatMap((style) => {
    const render = createLogRenderer(style)
    const fields = { level: raw, msg: raw, [`key${raw}`]: raw, deep: { [raw]: [raw] } }
    return [render(about), render({ ...about, fields })]
  })
  // oxlint-disable-next-line no-control-regex -- shiv's own colours aside, none may be left
  const left = lines.map((line) => line.replace(/\u001b\[\d+m/g, '')).filter((line) => /[\p{Control}\u202E]/u.test(line))
  expect(left).toEqual([])
})

test('what a service wrote cannot drive the terminal, wherever it stands as a cause', () => {
  const evil = '\u001B]0;owned\u0007\u001B[2Jdied\rnow\u0008'
  const [service] = degradedRun.services
  const replica = { ...service!.replicas[0]!, state: 'crashed' as const, cause: evil }
  const run = {
    ...degradedRun,
    services: [{ ...service!, replicas: [replica] }],
    databases: [{ ...degradedRun.databases[0]!, cause: evil }],
    error: { code: 'PROCESS_CRASHED', message: evil, exit: 1 as const },
  }
  const health = { kind: 'health', service: 'orders', replica: 'orders-1', state: 'crashed', cause: evil } as const
  const warning = { kind: 'warning', code: 'PROCESS_CRASH_LOOP', message: `crashes\n${evil}`, hint: evil } as const
  const shown = [
    ...renderRun(run, { style: plain, now: NOW, wide: false }),
    ...renderRun(run, { style: plain, now: NOW, wide: true }),
    describeHealth(health),
    ...describeEvent(warning, plain)!.text.split('\n'),
  ].join('\n')
  expect(shown.match(/died now\?/g)).toHaveLength(9)
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  expect(shown).not.toMatch(/[\u0000-\u0009\u000B-\u001F]/)
})

test('a service that does not run the newest save says so, and its loops say why', () => {
  const [service, ...others] = degradedRun.services
  const behind = { ...service!, reload: { isCurrent: false, mark: 'b', replicas: [] } }
  const shown = text(renderRun({ ...degradedRun, services: [behind, ...others] }, { style: plain, now: NOW, wide: false }))
  expect(shown).toContain(
    `${behind.name}: the newest save does not run everywhere: shiv loop ${behind.name} says what became of it`,
  )

  const loop: Loop = {
    id: 7,
    service: behind.name,
    files: ['src/page.ts'],
    fileCount: 1,
    action: 'build',
    savedAt: NOW,
    spans: [{ name: 'built', ms: 900 }],
    durationMs: 900,
    outcome: 'failed',
    replicas: 0,
    pending: 0,
    error: {
      code: 'PROCESS_PREPARE_FAILED',
      message: 'The build failed.',
      exit: 1,
      hint: 'mend it',
      evidence: ['page.ts(3,8): error'],
    },
  }
  const served: Loop = { ...loop, id: 8, outcome: 'served' }
  const below = `  #7 ${behind.name}\n    PROCESS_PREPARE_FAILED: The build failed.\n      page.ts(3,8): error\n    hint: mend it`
  expect(text(renderLoops([loop], plain))).toContain(below)
  // What was mended since is no news.
  expect(text(renderLoops([loop, served], plain))).not.toContain('The build failed.')
})
