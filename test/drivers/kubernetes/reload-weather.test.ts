import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKindRuntime } from '../../../src/drivers/kubernetes/runtime.ts'
import type { ReloadPort, Runtime } from '../../../src/engine/ports.ts'
import type { KubeObject, Plan } from '../../../src/plan/types.ts'
import { type TestCluster, acquireCluster, whyNoCluster } from '../../support/cluster.ts'
import { contextOf, references } from './context.ts'
import { CODE, buildImage, nodeServer, reloadPlan, startReload, states } from './reload-world.ts'

const why = whyNoCluster()
if (why !== undefined) console.log(`skipped: runs on a real cluster (${why})`)

describe.skipIf(why !== undefined)('hot reload of pods in bad weather', () => {
  let test: TestCluster
  let runtime: Runtime
  let image: string
  let node: string
  const plans: Plan[] = []

  beforeAll(async () => {
    test = await acquireCluster()
    runtime = createKindRuntime({ home: test.home, cluster: test.driver, images: references })
    node = test.kubectl('get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}')
    image = buildImage('shiv-test/reload-node:1', `FROM node:20-slim\nWORKDIR ${CODE}\nCOPY main.cjs ./\nUSER 1000\n`, {
      'main.cjs': nodeServer('image'),
    })
  }, 300_000)
  afterAll(async () => {
    for (const plan of plans) {
      await runtime.release(contextOf(plan).runId)
      test.kubectl('delete', 'namespace', plan.namespace, '--wait=false', '--ignore-not-found')
    }
    test?.release()
  }, 120_000)

  const start = async (plan: Plan) => {
    plans.push(plan)
    return startReload(test, runtime, plan)
  }
  const planOf = (workspace: string, replicas: number) =>
    reloadPlan(workspace, test.spec, { name: 'web', image, replicas, command: ['node', 'main.cjs'] })
  const patiently = (timeout: number) => ({ timeout, interval: 500 })
  const podsAre = (run: Awaited<ReturnType<typeof start>>) => () =>
    Promise.all([run.words(), run.verified()]).catch((error: Error) => error.message)

  describe('of two replicas', () => {
    let run: Awaited<ReturnType<typeof start>>
    beforeAll(async () => {
      run = await start(planOf('weather', 2))
    }, 240_000)

    const holds = () => run.kubectl('get', 'configmap', 'web-overlay', '-o', 'jsonpath={.data.mark}')

    it('brings a file of 200 MB to all of them, and proves it', async () => {
      run.orders.tree.save('big.bin', randomBytes(200 << 20))
      run.orders.tree.save('main.cjs', nodeServer('big'))
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      expect(await run.words()).toEqual(['big', 'big'])
      expect(await run.verified()).toEqual([[], []])
      run.orders.tree.save('big.bin', 'small again')
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      expect(await run.verified()).toEqual([[], []])
    }, 300_000)

    it('loses no order when the API server ends in its midst, and keeps the overlay for pods to come', async () => {
      const server = () => run.kubectl('get', '--raw', '/readyz')
      for (let n = 0; n < 500; n++) run.orders.tree.save(`many/${n}.txt`, String(n))
      run.orders.tree.save('main.cjs', nodeServer('through'))
      const applying = run.apply()
      execFileSync('docker', ['exec', node, 'pkill', '-KILL', 'kube-apiserver'])
      expect(server).toThrow()
      run.orders.tree.save('main.cjs', nodeServer('meanwhile'))
      const outcomes = await Promise.all([applying, run.apply()])
      for (const outcome of outcomes) for (const state of states(outcome)) expect(['ready', 'pending']).toContain(state)
      await expect.poll(podsAre(run), patiently(180_000)).toEqual([
        ['meanwhile', 'meanwhile'],
        [[], []],
      ])
      await expect.poll(holds, patiently(60_000)).toContain(run.orders.tree.mark())
    }, 300_000)

    it('holds the overlay over a restart of the node, without another image', async () => {
      run.orders.tree.save('main.cjs', nodeServer('held'))
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      await expect.poll(holds, patiently(30_000)).toContain(run.orders.tree.mark())
      const imageOf = () => run.kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')
      const before = imageOf()
      execFileSync('docker', ['restart', node], { stdio: 'pipe', timeout: 120_000 })
      await expect.poll(podsAre(run), patiently(240_000)).toEqual([
        ['held', 'held'],
        [[], []],
      ])
      expect(imageOf()).toBe(before)
      run.orders.tree.save('main.cjs', nodeServer('on'))
      await run.apply()
      await expect.poll(podsAre(run), patiently(60_000)).toEqual([
        ['on', 'on'],
        [[], []],
      ])
    }, 480_000)
  })

  it('says that a disk is full, brings what fits, and the rest when there is room', async () => {
    const run = await start(withSmallDisk(planOf('weather-full', 1), '12Mi'))
    const [pod] = run.pods() as [string]
    run.kubectl('exec', pod, '--', '/shiv/busybox', 'dd', 'if=/dev/zero', `of=${CODE}/ballast`, 'bs=1M', 'count=9')
    run.orders.tree.save('large.bin', randomBytes(5 << 20))
    run.orders.tree.save('main.cjs', nodeServer('tight'))
    const { replicas } = await run.apply()
    expect(replicas).toEqual([
      { id: pod, state: 'ready', refused: [{ path: `${CODE}/large.bin`, cause: expect.stringMatching(/no space left/i) }] },
    ])
    expect(await run.words()).toEqual(['tight'])
    expect(await run.verified()).toEqual([[expect.objectContaining({ path: `${CODE}/large.bin` })]])
    run.kubectl('exec', pod, '--', '/shiv/busybox', 'rm', `${CODE}/ballast`)
    // Nobody saves anything: the refused file is tried again by itself.
    await expect.poll(() => run.verified(), patiently(60_000)).toEqual([[]])
    const [held] = await (runtime.reload as ReloadPort).holdings(run.plan, 'web', run.context)
    expect(held?.mark).toBe(run.orders.tree.mark())
  }, 300_000)
})

/** The code folder in memory, with room for so much: a limit that the kernel holds, whatever the node's disk is. */
function withSmallDisk(plan: Plan, sizeLimit: string): Plan {
  const opened = plan.objects.map((object) => {
    const spec = object['spec'] as { template?: { spec: { volumes: { name: string }[] } } } | undefined
    if (spec?.template === undefined || object.kind !== 'Deployment') return object
    const copy = structuredClone(object) as KubeObject & { spec: NonNullable<typeof spec> }
    const pod = copy.spec.template!.spec
    pod.volumes = pod.volumes.map((volume) =>
      volume.name === 'shiv-code' ? { name: volume.name, emptyDir: { medium: 'Memory', sizeLimit } } : volume,
    )
    return copy
  })
  return { ...plan, objects: opened }
}
