import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunContext } from '../../src/engine/ports.ts'
import { createProcessRuntime } from '../../src/drivers/process/runtime.ts'
import { databaseField, databaseOf, envOf, planOf, postgresPreset, serviceOf } from './plans.ts'
import { CRASHING_SOURCE, runtimeContract, WEB_SOURCE, type ContractPlan } from './runtime.ts'

const base = mkdtempSync(join(tmpdir(), 'shiv-contract-'))
const home = join(base, 'home')
const sources: Record<ContractPlan, string> = { web: WEB_SOURCE, changed: WEB_SOURCE, crashing: CRASHING_SOURCE }

function rootOf(which: 'web' | 'crashing'): string {
  const root = join(base, which)
  mkdirSync(root, { recursive: true })
  return root
}
for (const which of ['web', 'crashing'] as const) writeFileSync(join(rootOf(which), 'server.mjs'), sources[which])

runtimeContract('the embedded runtime', {
  unavailable: process.platform === 'win32' ? 'Windows has no process groups' : undefined,
  create: () => createProcessRuntime({ home }),
  plan: async (which) => {
    if (which === 'crashing') return planOf(base, { services: [serviceOf('web', rootOf('crashing'))] })
    const env = [envOf('GREETING', which === 'web' ? 'hello' : 'changed'), envOf('DATABASE_URL', databaseField('main-db', 'url'))]
    const web = serviceOf('web', rootOf('web'), { env, replicas: { min: 2, max: 2 }, databases: ['main-db'] })
    return planOf(base, { services: [web], databases: [databaseOf(postgresPreset, 'main-db', ['web'])] })
  },
  context: (run, options): RunContext => ({
    runId: run,
    runDir: join(home, 'runs', run),
    signal: options?.signal ?? new AbortController().signal,
    secretValue: () => undefined,
    environment: process.env,
    step: (_name, work) => work({ progress: () => undefined, note: () => undefined }),
    emit: (event) => options?.events?.push(event),
  }),
  dispose: async () => rmSync(base, { recursive: true, force: true }),
})
