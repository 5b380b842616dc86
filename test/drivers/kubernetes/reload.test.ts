import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKindRuntime } from '../../../src/drivers/kubernetes/runtime.ts'
import type { ReloadPort, Runtime } from '../../../src/engine/ports.ts'
import type { Plan } from '../../../src/plan/types.ts'
import { type TestCluster, acquireCluster, whyNoCluster } from '../../support/cluster.ts'
import { contextOf, references } from './context.ts'
import { CODE, buildImage, goServer, nodeServer, reloadPlan, startReload, states } from './reload-world.ts'

const why = whyNoCluster()
if (why !== undefined) console.log(`skipped: runs on a real cluster (${why})`)

describe.skipIf(why !== undefined)('hot reload of pods', () => {
  let test: TestCluster
  let runtime: Runtime
  let reload: ReloadPort
  const plans: Plan[] = []

  beforeAll(async () => {
    test = await acquireCluster()
    runtime = createKindRuntime({ home: test.home, cluster: test.driver, images: references })
    reload = runtime.reload as ReloadPort
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

  describe('a Node service with two replicas', () => {
    let run: Awaited<ReturnType<typeof start>>

    beforeAll(async () => {
      const image = buildImage('shiv-test/reload-node:1', `FROM node:20-slim\nWORKDIR ${CODE}\nCOPY main.cjs ./\nUSER 1000\n`, {
        'main.cjs': nodeServer('image'),
      })
      const piece = { name: 'web', image, replicas: 2, command: ['node', 'main.cjs'] }
      run = await start(reloadPlan('reload', test.spec, piece, { SHIV_SPARE: 'node', NODE_OPTIONS: '--inspect=127.0.0.1:9229' }))
    }, 240_000)

    it('puts files into all pods, lets requests wait, starts the new code and proves it', async () => {
      expect(await run.words()).toEqual(['image', 'image'])
      run.orders.tree.save('main.cjs', nodeServer('first'))
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      expect(run.orders.phases).toEqual(['sent', 'applied', 'hold', 'restarted', 'let go', 'ready'])
      expect(await run.words()).toEqual(['first', 'first'])
      expect(await run.verified()).toEqual([[], []])
    })

    it('lets requests go when an order is given up while they wait', async () => {
      const giveUp = new AbortController()
      const order = run.orders.next()
      const hold = async () => {
        const letGo = await order.hold()
        giveUp.abort(new Error('given up'))
        return letGo
      }
      await expect(reload.apply(run.plan, { ...order, hold, signal: giveUp.signal }, run.context)).rejects.toThrow('given up')
      expect(run.orders.phases).toEqual(['sent', 'applied', 'hold', 'let go'])
    })

    it('says what each pod holds', async () => {
      const mark = run.orders.tree.mark()
      const holdings = await reload.holdings(run.plan, 'web', run.context)
      expect(holdings.sort((a, b) => a.replica.localeCompare(b.replica))).toEqual(
        run
          .pods()
          .sort()
          .map((replica) => ({ replica, mark, sequence: 1 })),
      )
    })

    it('holds the debug port anew after each restart', async () => {
      for (const word of ['second', 'third']) {
        run.orders.tree.save('main.cjs', nodeServer(word))
        expect(states(await run.apply())).toEqual(['ready', 'ready'])
        const [pod] = run.pods() as [string]
        const list = run.kubectl('exec', pod, '--', '/shiv/busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:9229/json/list')
        expect(list).toContain('main.cjs')
      }
    })

    it('keeps a container whose new code crashes, shows the stack, and the next save mends it', async () => {
      run.orders.tree.save('main.cjs', 'throw new Error("broken on purpose")')
      const { replicas } = await run.apply()
      expect(replicas.map(({ state, cause }) => [state, cause])).toEqual([
        ['failed', 'its process ended with code 1: Error: broken on purpose'],
        ['failed', 'its process ended with code 1: Error: broken on purpose'],
      ])
      expect(replicas[0]?.evidence?.join('\n')).toContain('broken on purpose')
      run.orders.tree.save('main.cjs', nodeServer('mended'))
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      expect(await run.words()).toEqual(['mended', 'mended'])
      const restarts = run.kubectl('get', 'pods', '-o', 'jsonpath={.items[*].status.containerStatuses[0].restartCount}')
      expect(restarts).toBe('0 0')
    })

    it('leaves no zombie, and nothing of an old process', async () => {
      for (const pod of run.pods()) {
        const list = run.kubectl('exec', pod, '--', '/shiv/busybox', 'ps', '-o', 'ppid,stat,args').split('\n')
        expect(list.filter((line) => /^ *1 +Z/.test(line))).toEqual([])
        const own = list.filter((line) => line.includes('main.cjs') && !line.includes('run.sh'))
        expect(own.length).toBeLessThanOrEqual(2)
      }
    })

    it('goes on when the agent is killed, between orders and in the middle of one', async () => {
      const kill = () => {
        const [pod] = run.pods() as [string]
        spawnSync('kubectl', [
          '--kubeconfig',
          test.cluster.kubeconfig,
          '--context',
          test.cluster.context,
          '-n',
          run.plan.namespace,
          'exec',
          pod,
          '--',
          '/shiv/busybox',
          'sh',
          '-c',
          'read p </shiv/agent; kill -KILL -- -$p',
        ])
      }
      kill()
      run.orders.tree.save('main.cjs', nodeServer('after'))
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      for (let n = 0; n < 800; n++) run.orders.tree.save(`many/${n % 40}/${n}.txt`, String(n))
      const applying = run.apply()
      kill()
      expect(states(await applying)).toEqual(['ready', 'ready'])
      expect(await run.verified()).toEqual([[], []])
    }, 120_000)

    it('gives a replaced pod what the others hold before it serves, with no daemon', async () => {
      run.orders.tree.save('main.cjs', nodeServer('kept'))
      await run.apply()
      const holds = () => run.kubectl('get', 'configmap', 'web-overlay', '-o', 'jsonpath={.data.mark}')
      await expect.poll(holds, { timeout: 60_000 }).toContain(run.orders.tree.mark())
      await runtime.release(run.context.runId)
      const [old, other] = run.pods() as [string, string]
      run.kubectl('delete', 'pod', old, '--wait=true')
      await expect.poll(() => run.pods().filter((pod) => pod !== other).length, { timeout: 60_000 }).toBe(1)
      const fresh = run.pods().find((pod) => pod !== other) as string
      run.kubectl('wait', '--for=condition=Ready', `pod/${fresh}`, '--timeout=60s')
      expect((await run.ask(fresh)).split(' ')[0]).toBe('kept')
      expect(run.kubectl('exec', fresh, '--', '/shiv/busybox', 'cat', '/shiv/mark').trim().split(' ')[1]).toBe(
        run.orders.tree.mark(),
      )
      expect(await run.verified()).toEqual([[], []])
    }, 120_000)

    it('brings an order to the pod that takes the place of one deleted in its midst', async () => {
      run.orders.tree.save('main.cjs', nodeServer('meanwhile'))
      const [victim] = run.pods() as [string]
      const applying = run.apply()
      run.kubectl('delete', 'pod', victim, '--grace-period=0', '--force', '--wait=false')
      await applying
      await expect.poll(() => run.pods().length, { timeout: 60_000 }).toBe(2)
      run.kubectl('wait', '--for=condition=Ready', 'pod', '-l', 'app.kubernetes.io/name=web', '--timeout=60s')
      await expect.poll(() => run.words().catch(() => []), { timeout: 60_000 }).toEqual(['meanwhile', 'meanwhile'])
      await expect.poll(() => run.verified(), { timeout: 60_000 }).toEqual([[], []])
    }, 120_000)

    it('lets a new pod wait for its agent where the overlay is too large to be kept in the cluster', async () => {
      run.orders.tree.save('large.bin', randomBytes(3_000_000))
      run.orders.tree.save('main.cjs', nodeServer('large'))
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      const waits = () => run.kubectl('get', 'configmap', 'web-overlay', '-o', 'jsonpath={.data.wait}{.binaryData}')
      await expect.poll(waits, { timeout: 60_000 }).toBe('the overlay is too large for a ConfigMap\n')
      const [victim] = run.pods() as [string]
      run.kubectl('delete', 'pod', victim, '--wait=false')
      // Not by a command that waits: the channels live in this process.
      await expect.poll(() => run.words().catch(() => []), { timeout: 60_000 }).toEqual(['large', 'large'])
      expect(await run.verified()).toEqual([[], []])
      run.orders.tree.save('large.bin', 'small')
      run.orders.tree.save('main.cjs', nodeServer('after'))
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      expect(await run.words()).toEqual(['after', 'after'])
    }, 120_000)

    it('finds a container again that was restarted in its place', async () => {
      const [pod] = run.pods() as [string]
      run.kubectl('exec', pod, '--', '/shiv/busybox', 'kill', '-TERM', '1')
      const restarts = () => Number(run.kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.containerStatuses[0].restartCount}'))
      await expect.poll(restarts, { timeout: 60_000 }).toBe(1)
      await expect.poll(() => run.words().catch(() => []), { timeout: 60_000 }).toEqual(['after', 'after'])
      run.orders.tree.save('main.cjs', nodeServer('again'))
      expect(states(await run.apply())).toEqual(['ready', 'ready'])
      expect(await run.words()).toEqual(['again', 'again'])
    }, 150_000)

    it('keeps the overlay over a start without change, and stop removes it', async () => {
      await runtime.reconcile(run.plan, run.context)
      expect(run.kubectl('get', 'configmap', 'web-overlay', '-o', 'name')).toContain('web-overlay')
      await runtime.remove(run.plan, { purge: false }, run.context)
      expect(run.kubectl('get', 'configmap', '-o', 'name')).not.toContain('web-overlay')
    }, 120_000)
  })

  it('reloads a static program in an image with nothing else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shiv-go-'))
    const binary = (word: string) => {
      writeFileSync(join(folder, 'main.go'), goServer(word))
      execFileSync(
        'docker',
        [
          'run',
          '--rm',
          '-v',
          `${folder}:/src`,
          '-w',
          '/src',
          '-e',
          'CGO_ENABLED=0',
          '-e',
          'GOFLAGS=-buildvcs=false',
          'golang:1.26',
          'go',
          'build',
          '-o',
          word,
          'main.go',
        ],
        { stdio: 'pipe' },
      )
      copyFileSync(join(folder, word), join(folder, `copy-${word}`))
      return readFileSync(join(folder, word))
    }
    const image = buildImage(
      'shiv-test/reload-go:1',
      `FROM gcr.io/distroless/static-debian12:nonroot\nWORKDIR ${CODE}\nCOPY app ./\n`,
      {
        app: binary('image'),
      },
    )
    const run = await start(reloadPlan('reload-go', test.spec, { name: 'web', image, command: ['./app'] }))
    expect(await run.words()).toEqual(['image'])
    run.orders.tree.save('app', binary('fresh'), 0o755)
    expect(states(await run.apply())).toEqual(['ready'])
    expect(await run.words()).toEqual(['fresh'])
    expect(await run.verified()).toEqual([[]])
  }, 300_000)
})
