import { execa } from 'execa'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DeployResult } from '../../src/wire/messages.ts'
import { acquireCluster, type TestCluster, whyNoCluster } from '../support/cluster.ts'
import { shivBin } from '../support/own-shiv.ts'
import { type Deployment, environmentsOf, openDeployment } from '../support/staging/deployed.ts'
import { startRegistry, type TestRegistry } from '../support/staging/registry.ts'

const reason = whyNoCluster()
if (reason !== undefined) console.info(`bad weather of deploying is not tried on a real cluster: ${reason}`)

describe.skipIf(reason !== undefined)('shiv deploy in bad weather, on a real cluster and a real registry', () => {
  let cluster: TestCluster
  let registry: TestRegistry
  let shop: Deployment
  const name = 'weather'
  const staging = `${name}-staging`
  const configure = (text: string) => writeFile(join(shop.workspace, 'shiv.yaml'), text)
  const environments = (more = '') => environmentsOf(name, registry, more)

  beforeAll(async () => {
    cluster = await acquireCluster()
    registry = await startRegistry(name)
    registry.teach(cluster.spec.name)
    shop = await openDeployment(name, cluster, registry)
    expect(await shop.deploy()).toMatchObject({ code: 0 })
  }, 400_000)

  afterAll(async () => {
    await shop?.close()
    registry?.remove()
    cluster?.release()
  }, 60_000)

  beforeEach(() => configure(environments()))

  it('takes a service back whose probes never pass', async () => {
    await shop.edit('sick', { 'health.sh': 'STATUS=503\n' })
    await configure(environments().replaceAll('timeout: 60s', 'timeout: 8s'))
    const { code, err } = await shop.deploy()
    expect(code).toBe(1)
    expect(err).toMatch(/error\[POD_\w+\]/)
    expect(err).toContain('release 1 serves')
    expect(shop.answer()).toBe('one')
    expect((await shop.history())[0]).toMatchObject({ outcome: 'rolled-back', rolledBackTo: 1 })
  }, 120_000)

  it('takes a service back whose health comes and goes', async () => {
    // By the clock, so that no machine is too slow to see it: a bad second of every four.
    const flapping = 'STATUS=200; [ $(($(date +%s) % 4)) -eq 3 ] && STATUS=500\n'
    await shop.edit('flapping', { 'health.sh': flapping })
    await configure(environments().replaceAll('timeout: 60s', 'timeout: 60s, steady: 6s'))
    const { code, err } = await shop.deploy()
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('error[DEPLOY_HEALTH_FLAPS]') })
    expect(shop.answer()).toBe('one')
  }, 120_000)

  it('asks by the public route where there is one, and takes back what does not answer there', async () => {
    let status = 502
    const asked: string[] = []
    const route: Server = createServer((request, response) => {
      asked.push(request.url ?? '')
      response.writeHead(status, status === 302 ? { location: 'http://login.example.com/' } : {}).end()
    })
    await new Promise<void>((resolve) => route.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(route.address() as AddressInfo).port}`
    await configure(environments(`, public_url: '${url}/\${service}'`))
    await shop.edit('routed')
    const lost = await shop.deploy()
    expect(lost).toMatchObject({ code: 1, err: expect.stringContaining('error[DEPLOY_UNHEALTHY]') })
    expect(lost.err).toContain(`${url}/orders/cgi-bin/healthz`)
    expect(shop.answer()).toBe('one')
    // A login in front has answered for itself: the service is asked behind it.
    status = 302
    expect(await shop.deploy()).toMatchObject({ code: 0, err: '' })
    route.close()
    expect((await shop.history())[0]!.health).toMatchObject({ through: 'route', url: `${url}/orders/cgi-bin/healthz` })
    expect(new Set(asked)).toEqual(new Set(['/orders/cgi-bin/healthz']))
  }, 180_000)

  it('refuses what somebody changed by hand, names who, and takes it back when told to', async () => {
    shop.kubectl(
      '-n',
      staging,
      'patch',
      'deployment',
      'orders',
      '--field-manager',
      'hotfix',
      '-p',
      '{"spec":{"revisionHistoryLimit":7}}',
    )
    const status = await shop.shiv('deploy', 'orders', '--env', 'staging', '--status')
    expect(status.out).toMatch(/revisionHistoryLimit: 7 → 3/)
    await shop.edit('after the hotfix')
    const before = (await shop.history()).length
    const refused = await shop.deploy()
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('DEPLOY_CONFLICT') })
    expect(refused.err).toContain('.spec.revisionHistoryLimit')
    expect(refused.err).toContain('hotfix')
    expect((await shop.history()).length).toBe(before)
    expect(await shop.deploy('--force-conflicts')).toMatchObject({ code: 0 })
    expect(shop.answer()).toBe('after the hotfix')
  }, 120_000)

  it('lets two deploys of a service follow one another', async () => {
    const elsewhere = { ...shop.own.env, SHIV_HOME: join(shop.own.folder, 'second'), USER: 'grace' }
    await mkdir(elsewhere.SHIV_HOME, { mode: 0o700 })
    const second = (...words: string[]) =>
      execa(process.execPath, [shivBin, 'deploy', 'orders', '--env', 'staging', ...words], {
        cwd: shop.workspace,
        env: elsewhere,
        stdin: 'ignore',
        reject: false,
      })
    await shop.edit('together')
    const before = (await shop.history()).length
    const both = await Promise.all([shop.deploy('--json'), second('--json')])
    expect([both[0].code, both[1].exitCode]).toEqual([0, 0])
    const made = (await shop.history()).slice(0, -before).toReversed()
    expect(made.length).toBeGreaterThan(0)
    expect(made.map(({ outcome }) => outcome)).toEqual(made.map(() => 'succeeded'))
    for (const [index, release] of made.entries()) {
      const next = made[index + 1]
      if (next === undefined) continue
      const locked = next.spans.find(({ name }) => name === 'lock')!
      expect(next.startedAt + locked.startMs + locked.durationMs).toBeGreaterThanOrEqual(release.finishedAt! - 5)
    }
    await execa(process.execPath, [shivBin, 'daemon', 'stop'], { env: elsewhere, reject: false })
  }, 120_000)

  it('finishes what a deploy that was killed half-way left behind', async () => {
    await shop.edit('killed', { 'run.sh': 'sleep 5; exec httpd -f -p "$PORT" -h /app\n' })
    const dying = execa(process.execPath, [shivBin, 'deploy', 'orders', '--env', 'staging'], {
      cwd: shop.workspace,
      env: shop.own.env,
      stdin: 'ignore',
      reject: false,
    })
    await expect.poll(async () => (await shop.history())[0]!.outcome, { timeout: 60_000, interval: 200 }).toBe('running')
    const { daemon } = JSON.parse(await shop.own.shiv(['status', '--all', '--json'])) as { daemon: { pid: number } }
    dying.kill('SIGKILL')
    process.kill(daemon.pid, 'SIGKILL')
    await dying
    const [left] = await shop.history()
    expect(left).toMatchObject({ outcome: 'running' })
    const locked = await shop.deploy('--no-wait')
    expect(locked).toMatchObject({ code: 1, err: expect.stringContaining('DEPLOY_LOCKED') })
    const { code, err, out } = await shop.deploy()
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain(`release ${left!.revision} of ada was never finished`)
    expect(shop.answer()).toBe('killed')
    expect((await shop.history()).slice(0, 2)).toMatchObject([
      { outcome: 'succeeded' },
      { outcome: 'abandoned', revision: left!.revision },
    ])
  }, 180_000)

  it('keeps what serves when a migration fails, and runs one before the pods when it does not', async () => {
    const file = join(shop.workspace, 'orders', 'service.yaml')
    const text = await readFile(file, 'utf8')
    await writeFile(file, `${text}migrate: [sh, /app/migrate.sh]\n`)
    await shop.edit('migrated', { 'migrate.sh': 'echo no such table; exit 1\n' })
    const failed = await shop.deploy()
    expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('error[POD_MIGRATE_FAILED]') })
    expect(failed.err).toContain('no such table')
    expect(shop.answer()).toBe('killed')
    await shop.edit('migrated', { 'migrate.sh': 'echo migrated\n' })
    const { code, out } = await shop.deploy('--json')
    expect(code).toBe(0)
    const { release } = JSON.parse(out.split('\n').at(-1)!) as DeployResult
    const span = (wanted: string) => release.spans.find(({ name }) => name === wanted)!
    expect(span('migrate').startMs + span('migrate').durationMs).toBeLessThanOrEqual(span('apply').startMs)
    expect(shop.answer()).toBe('migrated')
    await writeFile(file, text)
  }, 240_000)

  it('never lands where it was not sent', async () => {
    const before = shop.kubectl('get', 'deployment', '-A', '-o', 'jsonpath={.items[*].metadata.resourceVersion}')
    await shop.edit('lost')
    await configure(environments().replace('context: test', 'context: tset'))
    expect(await shop.deploy()).toMatchObject({
      code: 2,
      err: expect.stringMatching(/DEPENDENCY_CONTEXT_UNKNOWN[^]*did you mean "test"/),
    })
    await configure(environments().replace('context: test, ', ''))
    expect(await shop.deploy()).toMatchObject({ code: 2, err: expect.stringContaining('DEPLOY_NO_CONTEXT') })
    await configure(environments().replace(`namespace: ${staging}`, `namespace: ${name}-production`))
    expect(await shop.deploy()).toMatchObject({ code: 2, err: expect.stringContaining('DEPLOY_IS_PRODUCTION') })
    await configure(environments().replaceAll('staging:', 'testing:'))
    const other = await shop.shiv('deploy', 'orders', '--env', 'testing')
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining('DEPLOY_OTHER_ENVIRONMENT') })
    expect(await shop.shiv('deploy', 'orders', '--env', 'local')).toMatchObject({
      code: 2,
      err: expect.stringContaining('DEPLOY_LOCAL'),
    })
    await configure(environments().replaceAll('timeout: 60s', 'strategy: canary'))
    const canary = await shop.deploy()
    expect(canary).toMatchObject({ code: 2, err: expect.stringContaining('the strategy "canary" is not known') })
    await configure(environments())
    expect(shop.kubectl('get', 'deployment', '-A', '-o', 'jsonpath={.items[*].metadata.resourceVersion}')).toBe(before)
  }, 60_000)

  it('applies nothing when the registry is gone', async () => {
    const before = (await shop.history()).length
    await execa('docker', ['stop', '--time', '1', registry.container])
    const { code, err } = await shop.deploy()
    expect({ code, err }).toMatchObject({ code: 3, err: expect.stringContaining('REGISTRY_UNREACHABLE') })
    expect((await shop.history()).length).toBe(before)
    expect(shop.answer()).toBe('migrated')
  }, 60_000)
})
