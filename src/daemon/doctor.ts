import type { Ask } from '../engine/parts.ts'
import { createSteps } from '../engine/steps.ts'
import type { DoctorCheck, DoctorResult } from '../wire/messages.ts'
import type { Check, Finding, Place } from './checks/check.ts'
import { databaseChecks } from './checks/databases.ts'
import { leftoverChecks } from './checks/leftovers.ts'
import { machineChecks } from './checks/machine.ts'
import { toolChecks } from './checks/tools.ts'

export interface Examination extends Place {
  fix: boolean
  /** Database types that runs on the embedded runtime have. */
  wanted: ReadonlySet<string>
  ask: Ask
}

/** What this machine has and lacks for running services; with `fix`, mends what it can, one thing after the other. */
export async function examine({ home, environment, fix, wanted, ask }: Examination): Promise<DoctorResult> {
  const { step } = createSteps((event) => void ask.emit({ kind: 'step', step: event }))
  const checks = [...toolChecks, ...(await databaseChecks(wanted)), ...machineChecks, ...leftoverChecks]
  const found = await Promise.all(checks.map(async (check) => ({ check, finding: await look(check, { home, environment }) })))
  const results: DoctorCheck[] = []
  for (const { check, finding } of found) {
    const { fix: mend, ...told } = finding
    const named = { id: check.id, title: check.title, ...told }
    results.push(fix && mend ? await step(`mend ${check.title}`, () => tryToMend(named, mend)) : named)
  }
  return { version: 1, checks: results }
}

/** A check that cannot look says so: one strange machine must not hide what the others found. */
async function look(check: Check, place: Place): Promise<Finding> {
  try {
    return await check.look(place)
  } catch (error) {
    return { state: 'warning', detail: `could not be looked at: ${(error as Error).message}` }
  }
}

async function tryToMend(check: DoctorCheck, mend: () => Promise<string>): Promise<DoctorCheck> {
  try {
    return { ...check, state: 'fixed', detail: await mend() }
  } catch (error) {
    return { ...check, detail: `${check.detail}; mending it failed: ${(error as Error).message}` }
  }
}
