import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ShivError } from '../../../src/core/errors.ts'
import { createRedactor } from '../../../src/core/redact.ts'
import { deployService } from '../../../src/engine/deploy/deploy.ts'
import { deployHistory } from '../../../src/engine/deploy/look.ts'
import type { DeployDrivers, ReleaseCluster } from '../../../src/engine/deploy/ports.ts'
import type { Release } from '../../../src/engine/deploy/release.ts'
import type { DeployParams } from '../../../src/engine/deploy/results.ts'
import { rollbackService } from '../../../src/engine/deploy/rollback.ts'
import { planner } from '../../../src/engine/planner.ts'
import { createQueue } from '../../../src/engine/queue.ts'
import type { Workshop } from '../../../src/engine/workshop.ts'
import type { KubeObject } from '../../../src/plan/types.ts'
import { tinyService, writeTree } from '../../support/own-shiv.ts'

/** A cluster that remembers what it was told, and fails where it is told to. */
class FakeCluster {
  releases = new Map<number, Release>()
  objects = new Map<number, KubeObject[]>()
  /** What serves, by the image that was applied last. */
  applied: string[] = []
  written: string[] = []
  holder: string | undefined
  waiting: (() => void)[] = []
  failure: Error | undefined
  whenRolling = async (): Promise<void> => {}
  lost = new AbortController()
  /** Health paths that were asked for. */
  asked: (string | undefined)[] = []
  /** A record of this outcome is refused so often. */
  refused = { outcome: '', times: 0 }

  connect(): ReleaseCluster {
    return {
      server: 'fake',
      expectRollout() {},
      history: async () => [...this.releases.values()],
      objectsOf: async (revision) => this.objects.get(revision),
      remember: async (release, { objects }) => {
        if (release.outcome === this.refused.outcome && this.refused.times-- > 0)
          throw new ShivError('The cluster is busy.', { code: 'KUBE_UNREACHABLE' })
        this.releases.set(release.revision, structuredClone(release))
        this.written.push(`${release.revision} ${release.outcome}`)
        if (objects) this.objects.set(release.revision, objects)
      },
      readiness: async ({ objects }) => {
        const missing = JSON.stringify(objects).includes('"orders-later"')
          ? [{ secret: 'orders-later', keys: ['key'], isThere: false }]
          : []
        return { namespace: 'ours', deployedAs: undefined, missing, unseen: [], versions: [] }
      },
      compare: async (objects) => {
        const isSame = this.applied.at(-1) === imageOf(objects)
        return { by: 'server', changes: isSame ? [] : [{ name: 'Deployment/orders', action: 'change', fields: [] }] }
      },
      ensureNamespace: async () => {},
      lock: async (holder, { onWaiting }) => {
        if (this.holder !== undefined) onWaiting(this.holder)
        while (this.holder !== undefined) await new Promise<void>((resolve) => this.waiting.push(resolve))
        this.holder = holder
        return {
          signal: this.lost.signal,
          release: async () => {
            this.holder = undefined
            for (const wake of this.waiting.splice(0)) wake()
          },
        }
      },
      lockHolder: async () => this.holder,
      ensureCredentials: async () => {},
      apply: async (objects) => {
        const image = imageOf(objects)
        if (image !== undefined) this.applied.push(image)
      },
      awaitRollout: async (objects, { signal }) => {
        await this.whenRolling()
        signal.throwIfAborted()
        if (this.failure && imageOf(objects) === this.applied.at(-1) && this.applied.at(-1)?.endsWith('bad')) throw this.failure
      },
      prune: async () => {
        this.written.push('pruned')
        return []
      },
      proveHealth: async ({ services: [service] }, { answered }) => {
        this.asked.push(service?.health?.readinessPath)
        answered()
        return { through: 'cluster', answers: 1, misses: 0 }
      },
      isRolledOut: () => true,
      pods: async () => [],
      async *logs() {},
      close() {},
    }
  }
}

function imageOf(objects: KubeObject[]): string | undefined {
  const workload = objects.find(({ kind }) => kind === 'Deployment')
  return (workload?.['spec'] as { template: { spec: { containers: { image: string }[] } } } | undefined)?.template.spec
    .containers[0]!.image
}

let folder: string
let cluster: FakeCluster
/** What is built next. */
let digest: string
let openMs: number

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shiv-deploy-test-'))
  await writeTree(folder, {
    'shiv.yaml':
      'name: shop\nenvironments:\n  staging: { context: c, registry: r.example.com/shop }\n  production: { context: p, registry: r.example.com/shop }\n',
    ...tinyService('orders'),
  })
  cluster = new FakeCluster()
  digest = 'one'
  openMs = 0
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function shopOf(): Workshop {
  const drivers: DeployDrivers = {
    images: {
      name: async () => ({ reference: `local:${digest}`, isBuilt: true }),
      ensure: async () => ({ reference: `local:${digest}`, cached: true }),
    },
    registry: { digest: async () => digest, push: async () => digest },
    source: { read: async () => ({ unknown: [] }) },
    open: async () => {
      await new Promise((resolve) => setTimeout(resolve, openMs))
      return cluster.connect()
    },
    serverOf: async () => undefined,
  }
  const parts = { planner: async () => planner, deployment: async () => drivers, redactor: createRedactor() }
  return { parts, queue: createQueue(), runs: new Map() } as unknown as Workshop
}

const params = (more: Partial<DeployParams> = {}): DeployParams => ({
  path: folder,
  services: ['orders'],
  env: 'staging',
  environment: { USER: 'ada' },
  isConfirmed: false,
  ...more,
})
const ask = (signal = new AbortController().signal) => ({ by: { command: 'test', pid: 1 }, signal, emit: async () => {} })
const deploy = (shop = shopOf(), signal?: AbortSignal) => deployService(shop, params(), ask(signal))
const codeOf = (work: Promise<unknown>) => work.then(String, (error: { code?: string }) => error.code)

describe('a release', () => {
  it('is written down before anything is applied, and again when its end is known', async () => {
    cluster.whenRolling = async () => void cluster.written.push('rolling')
    const { release, isChanged } = await deploy()
    expect(isChanged).toBe(true)
    // What left the Plan goes once nothing that serves can need it.
    expect(cluster.written).toEqual(['1 running', 'rolling', 'pruned', '1 succeeded'])
    expect(release).toMatchObject({ revision: 1, outcome: 'succeeded', by: { user: 'ada' }, strategy: 'rolling' })
  })

  it('counts from when it was asked for', async () => {
    openMs = 250
    const { release, durationMs } = await deploy()
    expect(release.finishedAt! - release.startedAt).toBeGreaterThan(245)
    expect(durationMs).toBeGreaterThan(245)
  })

  it('that is what serves writes nothing', async () => {
    await deploy()
    const before = cluster.written.length
    expect(await deploy()).toMatchObject({ isChanged: false, release: { revision: 1 } })
    expect(cluster.written.length).toBe(before)
  })

  it('that fails is taken back, by the objects of the one that served', async () => {
    await deploy()
    digest = 'bad'
    cluster.failure = new ShivError('orders cannot start: it crashed.', {
      code: 'POD_CRASHED',
      hint: 'Mend it and run shiv start again.',
    })
    const error = await deploy().catch((thrown: unknown) => thrown as ShivError)
    expect(error).toMatchObject({ code: 'POD_CRASHED', hint: 'Mend it and run shiv deploy orders --env staging again.' })
    expect(error).toMatchObject({
      message: expect.stringMatching(/^orders cannot start: it crashed\. Release 2 was taken back in .*: release 1 serves\.$/),
    })
    expect(cluster.applied.at(-1)).toBe('r.example.com/shop/orders@one')
    expect(cluster.releases.get(2)).toMatchObject({ outcome: 'rolled-back', rolledBackTo: 1, error: { code: 'POD_CRASHED' } })
    expect(cluster.holder).toBeUndefined()
  })

  it('that is well is not taken back because it cannot be written down', async () => {
    await deploy()
    digest = 'two'
    cluster.refused = { outcome: 'succeeded', times: 2 }
    expect(await deploy()).toMatchObject({ release: { revision: 2, outcome: 'succeeded' } })
    digest = 'three'
    cluster.refused = { outcome: 'succeeded', times: 99 }
    await expect(deploy()).rejects.toMatchObject({
      code: 'KUBE_UNREACHABLE',
      message: expect.stringContaining('Release 3 serves and is well, but its record says that it still runs.'),
    })
    expect(cluster.applied.at(-1)).toBe('r.example.com/shop/orders@three')
    expect(cluster.holder).toBeUndefined()
  })

  it('that fails first has nothing to go back to, and says so', async () => {
    digest = 'bad'
    cluster.failure = new ShivError('no', { code: 'POD_CRASHED' })
    await expect(deploy()).rejects.toThrow('Nothing earlier is known')
    expect(cluster.releases.get(1)).toMatchObject({ outcome: 'failed' })
  })

  it('that its caller gives up is written down as that, and left', async () => {
    await deploy()
    digest = 'two'
    const controller = new AbortController()
    cluster.whenRolling = async () => controller.abort()
    expect(await codeOf(deploy(shopOf(), controller.signal))).toBe('INTERRUPTED')
    expect(cluster.releases.get(2)).toMatchObject({ outcome: 'interrupted' })
    expect(cluster.applied.at(-1)).toBe('r.example.com/shop/orders@two')
  })

  it('whose deployer died is found, and the next one takes its place though nothing differs', async () => {
    await deploy()
    cluster.releases.set(2, { ...cluster.releases.get(1)!, revision: 2, outcome: 'running' })
    expect(await deploy()).toMatchObject({ isChanged: true, release: { revision: 3 } })
    expect(cluster.releases.get(2)).toMatchObject({ outcome: 'abandoned' })
  })

  it('whose lock is lost writes and takes back nothing more', async () => {
    await deploy()
    digest = 'two'
    cluster.whenRolling = async () => cluster.lost.abort(new ShivError('lost', { code: 'DEPLOY_LOCK_LOST' }))
    expect(await codeOf(deploy())).toBe('DEPLOY_LOCK_LOST')
    expect(cluster.written.at(-1)).toBe('2 running')
    expect(cluster.applied.at(-1)).toBe('r.example.com/shop/orders@two')
  })
})

it('a release is not taken back any further once the lock is lost', async () => {
  await deploy()
  digest = 'bad'
  cluster.failure = new ShivError('no', { code: 'POD_CRASHED' })
  let rollouts = 0
  cluster.whenRolling = async () => {
    rollouts += 1
    if (rollouts === 2) cluster.lost.abort(new ShivError('lost', { code: 'DEPLOY_LOCK_LOST' }))
  }
  expect(await codeOf(deploy())).toBe('DEPLOY_LOCK_LOST')
  expect(cluster.releases.get(2)).toMatchObject({ outcome: 'running' })
})

it('two deploys from two machines follow one another, by their own times too', async () => {
  let atWork = 0
  cluster.whenRolling = async () => {
    atWork += 1
    expect(atWork).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 30))
    atWork -= 1
  }
  const first = deploy()
  openMs = 40
  digest = 'two'
  const second = deploy(shopOf())
  const [one, two] = (await Promise.all([first, second])).map(({ release }) => release).sort((a, b) => a.revision - b.revision)
  const lock = two!.spans.find(({ name }) => name === 'lock')!
  // Epoch and monotonic milliseconds are read one after the other.
  expect(two!.startedAt + lock.startMs + lock.durationMs).toBeGreaterThanOrEqual(one!.finishedAt! - 2)
})

it('an environment without a registry can be looked at, and not be deployed to', async () => {
  await writeTree(folder, { 'shiv.yaml': 'name: shop\nenvironments: { staging: { context: c } }\n' })
  expect(await codeOf(deploy())).toBe('DEPLOY_NO_REGISTRY')
  expect(await deployHistory(shopOf(), params(), ask())).toMatchObject({ releases: [] })
})

it('a rollback brings back the objects of the release before, and wants a yes where it is production', async () => {
  await deploy()
  digest = 'two'
  await deploy()
  const { release } = await rollbackService(shopOf(), params(), ask())
  expect(release).toMatchObject({ revision: 3, kind: 'rollback', restores: 1 })
  expect(cluster.applied.at(-1)).toBe('r.example.com/shop/orders@one')
  expect(await codeOf(rollbackService(shopOf(), params({ env: 'production' }), ask()))).toBe('DEPLOY_NEEDS_YES')
  expect(await codeOf(deployService(shopOf(), params({ env: 'production' }), ask()))).toBe('DEPLOY_NEEDS_YES')
})

it('a rollback is judged by what was released, not by the tree', async () => {
  const extra = (path: string, more = '') => writeTree(folder, tinyService('orders', `health: { path: ${path} }\n${more}`))
  await extra('/old')
  await deploy()
  digest = 'two'
  await extra('/new')
  await deploy()
  await extra('/newest', 'env: { LATER: { secret: later, key: key } }\n')
  expect(await codeOf(deploy())).toBe('DEPLOY_SECRET_MISSING')
  expect(await rollbackService(shopOf(), params(), ask())).toMatchObject({ release: { restores: 1, outcome: 'succeeded' } })
  expect(cluster.asked).toEqual(['/old', '/new', '/old'])
})

it('a rollback that waited does nothing once another release came', async () => {
  await deploy()
  digest = 'two'
  const { release } = await deploy()
  cluster.holder = 'somebody else'
  const back = codeOf(rollbackService(shopOf(), params(), ask()))
  await expect.poll(() => cluster.waiting.length).toBe(1)
  cluster.releases.set(3, { ...release, revision: 3 })
  cluster.holder = undefined
  cluster.waiting[0]!()
  expect(await back).toBe('DEPLOY_MOVED_ON')
  expect(cluster.applied.at(-1)).toBe('r.example.com/shop/orders@two')
  expect([...cluster.releases.keys()]).toEqual([1, 2, 3])
  expect(cluster.holder).toBeUndefined()
})

it('a rollback that waited for a release that was running does nothing once that has ended, and goes on where its deployer died', async () => {
  await deploy()
  digest = 'two'
  await deploy()
  digest = 'three'
  let go = (): void => {}
  cluster.whenRolling = () => new Promise((resolve) => (go = resolve))
  const deploying = deploy()
  await expect.poll(() => cluster.releases.get(3)?.outcome).toBe('running')
  const back = codeOf(rollbackService(shopOf(), params(), ask()))
  await expect.poll(() => cluster.waiting.length).toBe(1)
  cluster.whenRolling = async () => {}
  go()
  await deploying
  expect(await back).toBe('DEPLOY_MOVED_ON')
  cluster.releases.set(4, { ...cluster.releases.get(3)!, revision: 4, outcome: 'running' })
  expect(await rollbackService(shopOf(), params(), ask())).toMatchObject({ release: { revision: 5 } })
})

it.each([
  ['of the cluster', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: 'me' } }],
  ['of another namespace', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'orders', namespace: 'kube-system' } }],
])(
  'what was put into a kept release and is %s is not applied, neither by a rollback nor when a deploy is taken back',
  async (_what, object) => {
    await deploy()
    digest = 'two'
    await deploy()
    for (const revision of [1, 2]) cluster.objects.set(revision, [...cluster.objects.get(revision)!, object as KubeObject])
    const before = cluster.applied.length
    expect(await codeOf(rollbackService(shopOf(), params(), ask()))).toBe('DEPLOY_RELEASE_FOREIGN')
    expect(cluster.applied).toHaveLength(before)
    digest = 'bad'
    cluster.failure = new ShivError('It does not start.', { code: 'POD_CRASHED' })
    expect(await codeOf(deployService(shopOf(), params(), ask()))).toBe('POD_CRASHED')
    expect(cluster.releases.get(3)).toMatchObject({ outcome: 'failed' })
    expect(cluster.applied.slice(before)).toEqual([expect.stringMatching(/bad$/)])
  },
)
