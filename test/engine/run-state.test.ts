import { expect, test } from 'vitest'
import type { RunState } from '../../src/engine/results.ts'
import { nextCondition, type RunHappening } from '../../src/engine/run-state.ts'

const error = { code: 'X', message: 'x', exit: 1 as const }
const STATES: RunState[] = ['starting', 'running', 'degraded', 'failed', 'stopping', 'stopped']

test.each<[RunState, RunHappening, RunState]>([
  ['stopped', { type: 'start-asked' }, 'starting'],
  ['starting', { type: 'answered' }, 'running'],
  ['running', { type: 'health', isWhole: false }, 'degraded'],
  ['degraded', { type: 'health', isWhole: true }, 'running'],
  ['running', { type: 'start-asked' }, 'starting'],
  ['starting', { type: 'failed', error, isServing: false }, 'failed'],
  ['starting', { type: 'failed', error, isServing: true }, 'degraded'],
  ['starting', { type: 'adopted', isWhole: true }, 'running'],
  ['starting', { type: 'adopted', isWhole: false }, 'degraded'],
  ['running', { type: 'stop-asked' }, 'stopping'],
  ['stopping', { type: 'removed' }, 'stopped'],
])('%s, %j → %s', (state, happening, next) => {
  expect(nextCondition({ state }, happening).state).toBe(next)
})

test.each(STATES.filter((state) => state !== 'running' && state !== 'degraded'))(
  'replicas coming and going mean nothing while %s',
  (state) => {
    for (const isWhole of [true, false])
      expect(nextCondition({ state, error }, { type: 'health', isWhole })).toEqual({ state, error })
  },
)

test('an error is kept while degraded and gone when all is well', () => {
  const degraded = nextCondition({ state: 'degraded', error }, { type: 'health', isWhole: false })
  expect(degraded.error).toBe(error)
  expect(nextCondition(degraded, { type: 'health', isWhole: true })).toEqual({ state: 'running' })
})

test('a run found half-way says what interrupted it', () => {
  expect(nextCondition({ state: 'starting' }, { type: 'adopted', isWhole: false }).error?.code).toBe('RUN_INTERRUPTED')
  expect(nextCondition({ state: 'degraded', error }, { type: 'adopted', isWhole: false }).error).toBe(error)
})
