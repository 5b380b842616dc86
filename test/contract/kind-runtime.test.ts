import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll } from 'vitest'
import { createImageBuilder } from '../../src/drivers/docker/image-builder.ts'
import { createKindRuntime } from '../../src/drivers/kubernetes/runtime.ts'
import type { ClusterDriver } from '../../src/engine/ports.ts'
import { buildPlan } from '../../src/plan/build.ts'
import { localise } from '../../src/plan/localise.ts'
import type { Plan } from '../../src/plan/types.ts'
import { loadWorkspace } from '../../src/spec/load.ts'
import { type TestCluster, acquireCluster, whyNoCluster } from '../support/cluster.ts'
import { CRASHING_SOURCE, type ContractPlan, runtimeContract, WEB_SOURCE } from './runtime.ts'

const base = mkdtempSync(join(tmpdir(), 'shiv-contract-kind-'))
const unavailable = whyNoCluster()
let test: TestCluster

beforeAll(async () => {
  if (unavailable === undefined) test = await acquireCluster()
}, 300_000)

/** A workspace as a user writes it; the image is Node's own, the source an argument, so that nothing is built. */
async function planOf(which: ContractPlan): Promise<Plan> {
  const root = join(base, which)
  mkdirSync(root, { recursive: true })
  const isCrashing = which === 'crashing'
  const service = {
    name: 'web',
    port: 3000,
    build: { image: 'node:20-slim' },
    command: ['node', '--input-type=module', '-e', isCrashing ? CRASHING_SOURCE : WEB_SOURCE],
    health: '/healthz',
    scaling: { min_replicas: 2, max_replicas: 2 },
    env: { GREETING: which === 'changed' ? 'changed' : 'hello' },
    databases: isCrashing ? [] : [{ postgres: 'main-db' }],
  }
  writeFileSync(join(root, 'service.yaml'), JSON.stringify(service))
  writeFileSync(join(root, 'shiv.yaml'), JSON.stringify({ name: isCrashing ? 'contract-doomed' : 'contract', services: ['.'] }))
  const model = await loadWorkspace(root, { environment: 'local' })
  return { ...localise(buildPlan(model), 'kind', model), cluster: test.spec }
}

/** The cluster is there only once the tests run. */
const driver: ClusterDriver = {
  ensure: (spec, call) => test.driver.ensure(spec, call),
  find: (spec) => test.driver.find(spec),
  deliver: (cluster, references, call) => test.driver.deliver(cluster, references, call),
  remove: (spec) => test.driver.remove(spec),
}

runtimeContract('the kind runtime', {
  unavailable,
  create: () => createKindRuntime({ home: base, cluster: driver, images: createImageBuilder({ home: base }) }),
  plan: planOf,
  context: (run, options) => ({
    runId: run,
    runDir: join(base, 'runs', run),
    signal: options?.signal ?? new AbortController().signal,
    secretValue: () => undefined,
    environment: process.env,
    step: (_name, work) => work({ progress: () => undefined, note: () => undefined }),
    emit: (event) => options?.events?.push(event),
  }),
  async dispose() {
    test.release()
    rmSync(base, { recursive: true, force: true })
  },
})
