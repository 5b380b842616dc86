import type { Ask } from '../engine/parts.ts'
import type { DoctorResult } from '../wire/messages.ts'

export interface Examination {
  home: string
  fix: boolean
  environment: NodeJS.ProcessEnv
  ask: Ask
}

/** What this machine has and lacks for running services. */
export async function examine(_examination: Examination): Promise<DoctorResult> {
  return { version: 1, checks: [] }
}
