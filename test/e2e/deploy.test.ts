import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DeployResult, DryRunResult } from '../../src/wire/messages.ts'
import { acquireCluster, type TestCluster, whyNoCluster } from '../support/cluster.ts'
import { type Deployment, openDeployment } from '../support/staging/deployed.ts'
import { startRegistry, type TestRegistry } from '../support/staging/registry.ts'

const reason = whyNoCluster()
if (reason !== undefined) console.info(`deploying is not tried on a real cluster: ${reason}`)

describe.skipIf(reason !== undefined)('shiv deploy, on a real cluster and a real registry', () => {
  let cluster: TestCluster
  let registry: TestRegistry
  let shop: Deployment

  beforeAll(async () => {
    cluster = await acquireCluster()
    registry = await startRegistry('deploy')
    registry.teach(cluster.spec.name)
    shop = await openDeployment(
      'deployshop',
      cluster,
      registry,
      'env: { GREETING: hello, API_TOKEN: not-so-secret, STRIPE: { secret: stripe } }\n',
    )
  }, 400_000)

  afterAll(async () => {
    await shop?.close()
    registry?.remove()
    cluster?.release()
  }, 60_000)

  it('tells of a missing Secret before anything is applied, with the command that makes it', async () => {
    const { code, err } = await shop.deploy()
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining('DEPLOY_SECRET_MISSING') })
    expect(shop.kubectl('get', 'namespace', '-o', 'name')).not.toContain('deployshop-staging')
    const commands = err.split('\n').flatMap((line) => /(?:hint: |^\s+)(kubectl .*)$/.exec(line)?.[1] ?? [])
    expect(commands).toHaveLength(2)
    for (const command of commands)
      shop.kubectl(...command.replace('kubectl --context test ', '').replace('VALUE', 'sk_test_1').split(' '))
  })

  it('shows what it would do without doing it', async () => {
    const { code, out } = await shop.deploy('--dry-run', '--json')
    const plan = JSON.parse(out) as DryRunResult
    expect({ code, obstacles: plan.obstacles }).toEqual({ code: 0, obstacles: [] })
    expect(plan.image).toMatchObject({ wouldBuild: true, wouldPush: true })
    expect(plan.changes.map(({ name, action }) => `${action} ${name}`)).toContain('add Deployment/orders')
    expect(await registry.repositories()).toEqual([])
    expect(shop.kubectl('-n', 'deployshop-staging', 'get', 'deployment', '-o', 'name')).toBe('')
  })

  it('builds, sends, deploys by digest, proves health, and writes down who, what and when', async () => {
    const { code, out, err } = await shop.deploy('--json')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const result = JSON.parse(out.split('\n').at(-1)!) as DeployResult
    expect(result.isChanged).toBe(true)
    expect(shop.answer()).toBe('one')
    const image = shop.kubectl(
      '-n',
      'deployshop-staging',
      'get',
      'deployment',
      'orders',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].image}',
    )
    expect(image).toMatch(new RegExp(`^${registry.host}/deployshop/orders@sha256:[0-9a-f]{64}$`))
    const [release] = await shop.history()
    expect(release).toMatchObject({
      revision: 1,
      kind: 'deploy',
      outcome: 'succeeded',
      strategy: 'rolling',
      by: { user: 'ada' },
      image: { reference: image, isPushed: true },
      source: { subject: 'first', isDirty: false },
      health: { through: 'cluster', misses: 0 },
    })
    const names = release!.spans.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['build', 'push', 'apply', 'rollout', 'health', 'first-answer']))
    expect(release!.finishedAt! - release!.startedAt).toBeGreaterThan(0)
    expect(release!.source!.commitTime).toBeLessThanOrEqual(release!.startedAt)
    expect(JSON.stringify(await shop.history())).not.toContain('sk_test_1')
  }, 180_000)

  it('leaves alone what serves already: no new release, no write', async () => {
    const versions = (): string =>
      shop.kubectl('-n', 'deployshop-staging', 'get', 'all,configmap', '-o', 'jsonpath={.items[*].metadata.resourceVersion}')
    const before = versions()
    const { code, out } = await shop.deploy('--json')
    const result = JSON.parse(out.split('\n').at(-1)!) as DeployResult
    expect({ code, isChanged: result.isChanged, revision: result.release.revision }).toEqual({
      code: 0,
      isChanged: false,
      revision: 1,
    })
    expect(versions()).toBe(before)
  })

  it('shows a change field by field, with what looks secret masked', async () => {
    await shop.edit('two')
    const file = `${shop.workspace}/orders/service.yaml`
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace('hello', 'good day').replace('not-so-secret', 'another-token'))
    const { out } = await shop.deploy('--dry-run')
    expect(out).toContain('env.GREETING.value: hello → good day')
    expect(out).toContain('env.API_TOKEN.value: *** → ***')
    expect(out).not.toContain('another-token')
    expect(out).toMatch(/image: .*@sha256:[0-9a-f]+ → .*orders:[0-9a-f]{12}/)
  })

  it('rolls to the next release, and names the commits since the last', async () => {
    const { code, err } = await shop.deploy()
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(shop.answer()).toBe('two')
    const [release] = await shop.history()
    expect(release).toMatchObject({
      revision: 2,
      outcome: 'succeeded',
      source: { isDirty: true, since: [{ commit: release!.source!.commit }] },
    })
  }, 120_000)

  it('takes a release back that never gets ready, and says why as start does', async () => {
    await shop.edit('three', { 'run.sh': 'echo no database here; exit 3\n' })
    const { code, err } = await shop.deploy()
    expect(code).toBe(1)
    expect(err).toContain('error[POD_CRASHED]')
    expect(err).toContain('no database here')
    expect(err).toContain('release 2 serves')
    expect(shop.answer()).toBe('two')
    const [release] = await shop.history()
    expect(release).toMatchObject({ revision: 3, outcome: 'rolled-back', rolledBackTo: 2, error: { code: 'POD_CRASHED' } })
  }, 120_000)

  it('brings an earlier release back by its digest', async () => {
    const { code, err } = await shop.shiv('rollback', 'orders', '--env', 'staging')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(shop.answer()).toBe('one')
    const [release, , second, first] = await shop.history()
    expect(release).toMatchObject({
      revision: 4,
      kind: 'rollback',
      outcome: 'succeeded',
      restores: 1,
      image: { digest: first!.image.digest },
    })
    expect(second!.image.digest).not.toBe(first!.image.digest)
    const unknown = await shop.shiv('rollback', 'orders', '--env', 'staging', '--to', '3')
    expect(unknown).toMatchObject({ code: 2, err: expect.stringContaining('DEPLOY_NO_RELEASE') })
  }, 120_000)

  it('asks for production, and without a terminal wants --yes', async () => {
    const { code, err } = await shop.shiv('deploy', 'orders', '--env', 'production')
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining('DEPLOY_SECRET_MISSING') })
    shop.kubectl('create', 'namespace', 'deployshop-production')
    shop.kubectl('-n', 'deployshop-production', 'create', 'secret', 'generic', 'orders-stripe', '--from-literal=stripe=sk_live_1')
    await writeFile(join(shop.workspace, 'orders', 'half-done'), 'x')
    const dirty = await shop.shiv('deploy', 'orders', '--env', 'production', '--yes')
    expect(dirty).toMatchObject({ code: 4, err: expect.stringContaining('DEPLOY_DIRTY') })
    await shop.edit('four')
    const asked = await shop.shiv('deploy', 'orders', '--env', 'production')
    expect(asked).toMatchObject({ code: 2, err: expect.stringContaining('DEPLOY_NEEDS_YES') })
    expect(shop.kubectl('-n', 'deployshop-production', 'get', 'deployment', '-o', 'name')).toBe('')
    const done = await shop.shiv('deploy', 'orders', '--env', 'production', '--yes')
    expect({ code: done.code, err: done.err }).toEqual({ code: 0, err: '' })
    expect(shop.answer('deployshop-production')).toBe('four')
  }, 180_000)
})
