import type { ErrorShape } from '../core/errors.ts'
import type { RunState } from './results.ts'

/** What can happen to a run. The list is closed. */
export type RunHappening =
  | { type: 'start-asked' }
  /** Everything answered once. */
  | { type: 'answered' }
  /** Whether every replica and database that should be ready is. */
  | { type: 'health'; isWhole: boolean }
  /** Starting, adopting or stopping did not work; `isServing`: something of it runs all the same. */
  | { type: 'failed'; error: ErrorShape; isServing: boolean }
  | { type: 'adopted'; isWhole: boolean }
  | { type: 'stop-asked' }
  | { type: 'removed' }

export interface RunCondition {
  state: RunState
  error?: ErrorShape
}

/** The one state machine of a run: starting → running ⇄ degraded → stopping → stopped, or failed. */
export function nextCondition(now: RunCondition, happening: RunHappening): RunCondition {
  switch (happening.type) {
    case 'start-asked':
      return { state: 'starting' }
    case 'answered':
      return { state: 'running' }
    case 'adopted':
      return adopted(now, happening.isWhole)
    case 'health':
      // While it starts, stops or is down, replicas come and go without a meaning for the run.
      if (now.state !== 'running' && now.state !== 'degraded') return now
      if (happening.isWhole) return { state: 'running' }
      return { ...now, state: 'degraded' }
    case 'failed':
      return { state: happening.isServing ? 'degraded' : 'failed', error: happening.error }
    case 'stop-asked':
      return { state: 'stopping' }
    case 'removed':
      return { state: 'stopped' }
    default:
      return happening satisfies never
  }
}

function adopted(now: RunCondition, isWhole: boolean): RunCondition {
  if (isWhole) return { state: 'running' }
  const wasInterrupted = now.state === 'starting' || now.state === 'stopping'
  return { state: 'degraded', error: wasInterrupted ? interrupted(now.state) : now.error }
}

function interrupted(state: RunState): ErrorShape {
  return {
    code: 'RUN_INTERRUPTED',
    message: `The daemon ended while the run was ${state}.`,
    exit: 1,
    hint: state === 'stopping' ? 'shiv stop' : 'shiv start completes it',
  }
}
