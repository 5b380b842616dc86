import { describe, expect, it, test } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.ts'
import { parseWords } from '../../src/cli/parse.ts'
import { faultsOf } from '../../src/cli/proxy/fault-flags.ts'
import { renderAccess, renderDependencies, renderDependencyEvent, renderProxy } from '../../src/cli/render/dependencies.ts'
import { createStyle } from '../../src/core/style.ts'
import type { DependencyEvent, DependencyStatus, Faults } from '../../src/wire/messages.ts'
import { NOW } from './samples.ts'

const plain = createStyle({ colour: false, unicode: true })
const view = { style: plain, now: NOW }
const text = (lines: string[]): string => `${lines.join('\n')}\n`
const golden = (name: string): string => `../golden/cli/${name}.txt`
const unknown = { state: 'unknown', requests: 0, refused: 0, failed: 0, openConnections: 0 } as const

const billing: DependencyStatus = {
  name: 'billing',
  protocol: 'http',
  mode: 'staging',
  writtenMode: 'staging',
  serves: 'staging (billing.staging.example.com)',
  access: { level: 'read_only', allow: [{ method: 'POST', path: '/search', why: 'its search reads by POST' }] },
  areFaultsSwitched: false,
  users: ['orders'],
  port: 20_101,
  health: {
    state: 'ready',
    provenAt: NOW - 2_000,
    requests: 1_204,
    refused: 3,
    failed: 1,
    p50: 8.4,
    p99: 212,
    openConnections: 2,
    lastError: { time: NOW - 61_000, message: 'the connection was reset' },
  },
}
const dependencies: DependencyStatus[] = [
  billing,
  {
    ...billing,
    name: 'ledger',
    mode: 'local',
    serves: 'local (ledger)',
    access: { level: 'read_write', allow: [] },
    faults: { latency: { p50: 100, p99: 2_000 }, errorRate: 0.1, errorStatus: 503 },
    areFaultsSwitched: true,
    port: 20_102,
    health: unknown,
  },
  {
    ...billing,
    name: 'search',
    mode: 'replay',
    writtenMode: 'replay',
    serves: 'recording recordings/search.har',
    access: { level: 'read_only', allow: [] },
    recording: 'recordings/search.har',
    port: 20_103,
    health: { ...unknown, state: 'ready', requests: 12, p50: 0.4, p99: 1.2 },
  },
  {
    ...billing,
    name: 'rates',
    serves: 'production (rates.payments)',
    access: { level: 'read_only', allow: [] },
    production: { environment: 'production', why: 'incident 4711, until Friday' },
    port: 20_104,
    health: { ...unknown, state: 'failing', failed: 2, requests: 2 },
  },
  {
    ...billing,
    name: 'users-db',
    protocol: 'postgres',
    serves: '',
    access: { level: 'read_write', allow: [] },
    port: undefined,
    error: {
      code: 'DEPENDENCY_CONTEXT_UNKNOWN',
      message: 'Your kubeconfig has no context "stagin".',
      exit: 2,
      hint: 'did you mean "staging"?',
    },
    health: unknown,
  } as DependencyStatus,
]

test('a line a dependency in status', async () => {
  await expect(text(renderDependencies(dependencies, view))).toMatchFileSnapshot(golden('status-dependencies'))
  expect(renderDependencies(undefined, view)).toEqual([])
})

test('the end of start says what each may do, and every reason for more', async () => {
  await expect(text(renderAccess(dependencies, view))).toMatchFileSnapshot(golden('started-dependencies'))
})

test('shiv proxy', async () => {
  await expect(text(renderProxy(dependencies, view))).toMatchFileSnapshot(golden('proxy'))
  expect(renderProxy([], view)).toEqual(['no dependency leads outside of this workspace'])
})

test('shiv proxy tail', async () => {
  const event: DependencyEvent = {
    dependency: 'billing',
    time: NOW,
    durationMs: 41,
    protocol: 'http',
    summary: 'GET /invoices?page=2',
    outcome: 'answered',
    status: '200',
    servedBy: 'upstream',
    sentBytes: 120,
    receivedBytes: 4_096,
  }
  const lines = [
    event,
    {
      ...event,
      summary: 'POST /invoices',
      outcome: 'refused',
      status: '403',
      servedBy: 'guard',
      cause: 'billing is read-only',
      durationMs: 0.3,
    },
    { ...event, dependency: 'users-db', protocol: 'postgres', summary: 'SELECT … FROM users', status: undefined },
    { ...event, outcome: 'failed', status: '502', servedBy: 'nobody', cause: 'the upstream closed\u001b[2J the connection' },
  ] as DependencyEvent[]
  await expect(text(lines.map((one) => renderDependencyEvent(one, plain)))).toMatchFileSnapshot(golden('proxy-tail'))
})

describe('the flags of shiv proxy fault', () => {
  const command = COMMANDS.find(({ name }) => name === 'proxy')!
  const read = (...words: string[]): Faults | undefined => faultsOf(parseWords(command, ['fault', 'billing', ...words]).flags)

  it.each([
    ['--latency 100ms/2s', { latency: { p50: 100, p99: 2_000 } }],
    ['--latency 50ms', { latency: { p50: 50, p99: 50 } }],
    ['--error-rate 0.1 --error-status 500', { errorRate: 0.1, errorStatus: 500 }],
    ['--error-rate 10% --cut .05', { errorRate: 0.1, cutRate: 0.05 }],
    ['--bandwidth 1MB/s', { bytesPerSecond: 1_000_000 }],
    ['--bandwidth 1.5KiB/s', { bytesPerSecond: 1_536 }],
    ['--off', undefined],
  ])('%s', (words, faults) => expect(read(...words.split(' '))).toEqual(faults))

  it.each([
    '--latency soon',
    '--latency 2s/100ms',
    '--latency 1s/2s/3s',
    '--error-rate 2',
    '--error-rate -1',
    '--cut 101%',
    '--error-status 200',
    '--bandwidth 1MB',
    '--bandwidth 0B/s',
  ])('refuses %s', (words) =>
    expect(() => read(...words.split(' '))).toThrowError(expect.objectContaining({ code: 'CLI_BAD_VALUE', exit: 2 })),
  )
})
