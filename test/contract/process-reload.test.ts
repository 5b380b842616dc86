import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReloadPolicy } from '../../src/spec/reload-policy.ts'
import { createProcessRuntime } from '../../src/drivers/process/runtime.ts'
import { planOf, serviceOf } from './plans.ts'
import { reloadContract } from './reload.ts'

for (const overlap of [false, true]) {
  const base = mkdtempSync(join(tmpdir(), 'shiv-reload-contract-'))
  const home = join(base, 'home')
  const root = join(base, 'web')
  const reload: ReloadPolicy = { restart: 'process', overlap, browser: false, rules: [] }
  mkdirSync(root)
  reloadContract(`the embedded runtime, ${overlap ? 'overlapping' : 'replacing'},`, {
    unavailable: process.platform === 'win32' ? 'Windows has no process groups' : undefined,
    create: () => createProcessRuntime({ home }),
    plan: async () => planOf(base, { services: [serviceOf('web', root, { replicas: { min: 2, max: 2 }, reload })] }),
    context: (options) => ({
      runId: 'reload',
      runDir: join(home, 'runs', 'reload'),
      signal: options?.signal ?? new AbortController().signal,
      secretValue: () => undefined,
      environment: process.env,
      step: (_name, work) => work({ progress: () => undefined, note: () => undefined }),
      emit: () => undefined,
    }),
    async save(text) {
      writeFileSync(join(root, 'server.mjs'), text)
      const hash = createHash('sha256').update(text).digest('hex')
      return { overlay: new Map(), mark: hash, expected: new Map([['/app/server.mjs', hash]]) }
    },
    dispose: async () => rmSync(base, { recursive: true, force: true }),
  })
}
