import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { createKindDriver, type KindDriver } from '../../src/drivers/kind/kind-driver.ts'
import type { Cluster } from '../../src/engine/ports.ts'
import type { Plan } from '../../src/plan/types.ts'

/** A kind cluster that the tests of one process share. */
export interface TestCluster {
  spec: Plan['cluster']
  /** Where the driver keeps what it knows of it. */
  home: string
  driver: KindDriver
  cluster: Cluster
  kubectl(...argv: string[]): string
  /** Closes the driver's streams; the cluster goes on for the next file of tests. */
  release(): void
}

/** Why tests on a real cluster cannot run here, in one line; undefined when they can. */
export function whyNoCluster(): string | undefined {
  const docker = spawnSync('docker', ['info'], { timeout: 10_000, stdio: 'ignore' })
  if (docker.status !== 0) return 'Docker does not answer'
  if (spawnSync('kind', ['version'], { stdio: 'ignore' }).status !== 0) return 'kind is not installed'
  const images = spawnSync('docker', ['images', '--quiet', 'kindest/node'], { encoding: 'utf8' })
  return images.stdout.trim() === '' ? 'the host has no kindest/node image' : undefined
}

const spec = (name: string): Plan['cluster'] => ({ name, kubernetes: '1.34', workers: 0 })

/**
 * The name of the cluster that all tests of this run share: `SHIV_TEST_CLUSTER`, which `shared-cluster.ts` sets to one of this run's own
 * where nobody did.
 */
export function testClusterName(): string {
  return process.env['SHIV_TEST_CLUSTER'] ?? 'shiv-test'
}

/** Where the drivers of all test processes keep what they know of the shared cluster, so that the second one joins the first. */
export function testClusterHome(): string {
  return join(tmpdir(), `shiv-test-${userInfo().uid}-${testClusterName()}`)
}

/** Creates the shared cluster or joins it. It goes when the whole run of tests is over (see `shared-cluster.ts`). */
export async function acquireCluster(): Promise<TestCluster> {
  const home = testClusterHome()
  const wanted = spec(testClusterName())
  const driver = createKindDriver({ home })
  const ensure = async (): Promise<Cluster> => {
    const made = await driver.ensure(wanted, {
      signal: AbortSignal.timeout(300_000),
      environment: process.env,
      step: (_name, work) => work({ progress() {}, note() {} }),
    })
    await driver.settled(wanted)
    return made
  }
  // `kind` outlives who called it, so waiting for it keeps no process alive.
  const alive = setInterval(() => {}, 1_000)
  const cluster = await ensure().finally(() => clearInterval(alive))
  return {
    spec: wanted,
    home,
    driver,
    cluster,
    kubectl: (...argv) =>
      execFileSync('kubectl', ['--kubeconfig', cluster.kubeconfig, '--context', cluster.context, ...argv], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    release: () => driver.close(),
  }
}

/** Deletes the shared cluster if this run of tests made one. */
export async function deleteTestCluster(): Promise<void> {
  if (!existsSync(testClusterHome())) return
  const driver = createKindDriver({ home: testClusterHome() })
  await driver.remove(spec(testClusterName()))
  driver.close()
  await rm(testClusterHome(), { recursive: true, force: true })
}
