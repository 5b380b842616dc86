import type { RunContext } from '../../engine/ports.ts'
import type { Plan, ReadingTarget } from '../../plan/types.ts'
import type { ActiveRun } from './active-run.ts'

export async function takeReadings(
  _plan: Plan,
  targets: ReadingTarget[],
  _context: RunContext,
  _run: ActiveRun | undefined,
): Promise<({ actual: unknown } | undefined)[]> {
  return targets.map(() => undefined)
}
