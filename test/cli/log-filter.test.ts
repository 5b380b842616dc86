import { describe, expect, it } from 'vitest'
import { createLogFilter } from '../../src/cli/log-filter.ts'
import type { LogLine } from '../../src/wire/messages.ts'

const line = (fields: Record<string, unknown> | undefined, text = JSON.stringify(fields)): LogLine => ({
  time: 0,
  source: 'orders',
  replica: 'orders-1',
  stream: 'stdout',
  text,
  ...(fields && { fields }),
})
const lets = (where: string, fields: Record<string, unknown>): boolean => createLogFilter(undefined, where)(line(fields))

describe('--where', () => {
  it.each([
    ['level=error', { level: 'error' }, true],
    ['level=error', { level: 50 }, true],
    ['level=error', { level: 'ERROR' }, true],
    ['level!=error', { level: 'info' }, true],
    ['status>=500', { status: 503 }, true],
    ['status>=500', { status: 404 }, false],
    ['status<500', { status: '404' }, true],
    ['http.status=200', { http: { status: 200 } }, true],
    ['http.status=200', { 'http.status': 200 }, true],
    ['path~^/api/', { path: '/api/users' }, true],
    ['path~^/api/', { path: '/healthz' }, false],
    ['level=error,status>=500', { level: 'error', status: 200 }, false],
    ['missing!=1', { level: 'error' }, false],
    ['constructor=1', { level: 'error' }, false],
  ] as const)('%s of %j: %s', (where, fields, expected) => {
    expect(lets(where, fields)).toBe(expected)
  })

  it('lets no line through that has no fields', () => {
    expect(createLogFilter(undefined, 'level=error')(line(undefined, 'error!'))).toBe(false)
  })

  it('says what it cannot read', () => {
    expect(() => createLogFilter(undefined, 'level')).toThrow('cannot read "level"')
    expect(() => createLogFilter('(', undefined)).toThrow('--grep')
  })
})

it('--grep looks at the whole line', () => {
  expect(createLogFilter('req.*7', undefined)(line({ msg: 'request', id: 7 }))).toBe(true)
  expect(createLogFilter('req.*8', undefined)(line({ msg: 'request', id: 7 }))).toBe(false)
})
