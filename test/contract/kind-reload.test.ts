import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll } from 'vitest'
import { createImageBuilder } from '../../src/drivers/docker/image-builder.ts'
import { createKindRuntime } from '../../src/drivers/kubernetes/runtime.ts'
import type { ClusterDriver } from '../../src/engine/ports.ts'
import { buildPlan } from '../../src/plan/build.ts'
import { localise } from '../../src/plan/localise.ts'
import { loadWorkspace } from '../../src/spec/load.ts'
import { type TestCluster, acquireCluster, whyNoCluster } from '../support/cluster.ts'
import { reloadContract } from './reload.ts'

const base = mkdtempSync(join(tmpdir(), 'shiv-reload-contract-kind-'))
const root = join(base, 'web')
const unavailable = whyNoCluster()
const TARGET = '/app/server.mjs'
let test: TestCluster

beforeAll(async () => {
  if (unavailable === undefined) test = await acquireCluster()
}, 300_000)

/** The cluster is there only once the tests run. */
const driver: ClusterDriver = {
  ensure: (spec, call) => test.driver.ensure(spec, call),
  find: (spec) => test.driver.find(spec),
  deliver: (cluster, references, call) => test.driver.deliver(cluster, references, call),
  remove: (spec) => test.driver.remove(spec),
}

reloadContract('the kind runtime', {
  unavailable,
  create: () => createKindRuntime({ home: base, cluster: driver, images: createImageBuilder({ home: base }) }),
  /** A workspace as a user writes it, with a Dockerfile of its own: its pods are opened as the plan room opens them. */
  async plan() {
    const service = {
      name: 'web',
      language: 'node',
      port: 3000,
      build: { dockerfile: 'Dockerfile' },
      command: ['node', 'server.mjs'],
      health: '/healthz',
      scaling: { min_replicas: 2, max_replicas: 2 },
      reload: { workdir: '/app' },
    }
    writeFileSync(join(root, 'service.yaml'), JSON.stringify(service))
    writeFileSync(join(root, 'shiv.yaml'), JSON.stringify({ name: 'reload-contract', services: ['.'] }))
    writeFileSync(join(root, 'Dockerfile'), 'FROM node:20-slim\nWORKDIR /app\nCOPY server.mjs ./\nUSER 1000\n')
    const model = await loadWorkspace(root, { environment: 'local' })
    return { ...localise(buildPlan(model), 'kind', model), cluster: test.spec }
  },
  context: (options) => ({
    runId: 'reload-contract',
    runDir: join(base, 'runs', 'reload-contract'),
    signal: options?.signal ?? new AbortController().signal,
    secretValue: () => undefined,
    environment: process.env,
    step: (_name, work) => work({ progress: () => undefined, note: () => undefined }),
    emit: () => undefined,
  }),
  async save(text) {
    mkdirSync(root, { recursive: true })
    const source = join(root, 'server.mjs')
    writeFileSync(source, text)
    const hash = createHash('sha256').update(text).digest('hex')
    const file = { source, hash, mode: 0o644, sizeBytes: Buffer.byteLength(text) }
    return { overlay: new Map([[TARGET, file]]), mark: hash.slice(0, 16), expected: new Map([[TARGET, hash]]) }
  },
  async dispose() {
    test.release()
    rmSync(base, { recursive: true, force: true })
  },
})
