import { execa } from 'execa'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LogLine } from '../../src/wire/messages.ts'
import { createCutRelay, type CutRelay } from '../drivers/dependency/support/cut-relay.ts'
import { acquireCluster, type TestCluster, whyNoCluster } from '../support/cluster.ts'
import { shivBin } from '../support/own-shiv.ts'
import { type Deployment, environmentsOf, openDeployment } from '../support/staging/deployed.ts'
import { startRegistry, type TestRegistry } from '../support/staging/registry.ts'

/** Counts on stdout, some twenty times a second, each line a JSON object. */
const COUNTING = `v=$(cat /app/version)
n=0
while true; do n=$((n + 1)); echo "{\\"level\\":\\"$([ $((n % 5)) = 0 ] && echo error || echo info)\\",\\"n\\":$n,\\"version\\":\\"$v\\"}"; usleep 50000; done &
exec httpd -f -p "$PORT" -h /app
`

const reason = whyNoCluster()
if (reason !== undefined) console.info(`logs of what is deployed are not tried on a real cluster: ${reason}`)

describe.skipIf(reason !== undefined)('what is deployed, on a real cluster', () => {
  let cluster: TestCluster
  let registry: TestRegistry
  let shop: Deployment
  let relay: CutRelay

  beforeAll(async () => {
    cluster = await acquireCluster()
    registry = await startRegistry('logs')
    registry.teach(cluster.spec.name)
    shop = await openDeployment('logs', cluster, registry)
    const file = join(shop.own.folder, 'kubeconfig')
    const text = await readFile(file, 'utf8')
    const server = new URL(/server: (\S+)/.exec(text)![1]!)
    relay = await createCutRelay({ host: server.hostname, port: Number(server.port) })
    // kubectl keeps the direct way: while it runs, this process forwards nothing.
    shop.own.env['KUBECONFIG'] = `${file}-relayed`
    await writeFile(`${file}-relayed`, text.replace(server.host, `${server.hostname}:${relay.port}`), { mode: 0o600 })
    const service = join(shop.workspace, 'orders', 'service.yaml')
    await writeFile(
      service,
      (await readFile(service, 'utf8')).replace('min_replicas: 1, max_replicas: 1', 'min_replicas: 2, max_replicas: 2'),
    )
    await shop.edit('one', { 'run.sh': COUNTING })
    expect(await shop.deploy()).toMatchObject({ code: 0 })
  }, 400_000)

  afterAll(async () => {
    await shop?.close()
    await relay?.close()
    registry?.remove()
    cluster?.release()
  }, 60_000)

  it('is followed in all pods through a release, a deleted pod and a cut connection, without a gap or a repeat', async () => {
    const lines: LogLine[] = []
    const following = execa(process.execPath, [shivBin, 'logs', 'orders', '--env', 'staging', '--tail', '--json'], {
      cwd: shop.workspace,
      env: shop.own.env,
      stdin: 'ignore',
      reject: false,
      buffer: false,
    })
    const reading = (async () => {
      for await (const text of following) {
        const event = JSON.parse(String(text)) as { kind: string; line: LogLine }
        if (event.kind === 'log') lines.push(event.line)
      }
    })()
    const seen = (version: string): number =>
      new Set(lines.filter(({ fields }) => fields?.['version'] === version).map(({ replica }) => replica)).size
    const grows = async (): Promise<void> => {
      const before = lines.length
      await expect.poll(() => lines.length, { timeout: 30_000 }).toBeGreaterThan(before + 40)
    }
    await expect.poll(() => seen('one'), { timeout: 30_000 }).toBe(2)
    await shop.edit('two', { 'run.sh': COUNTING })
    expect(await shop.deploy()).toMatchObject({ code: 0 })
    await expect.poll(() => seen('two'), { timeout: 30_000 }).toBe(2)
    await relay.cut('refuse')
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await relay.heal()
    await grows()
    const pod = lines.findLast(({ fields }) => fields?.['version'] === 'two')!.replica
    shop.kubectl('-n', 'logs-staging', 'delete', 'pod', pod, '--grace-period=1', '--wait=false')
    await expect.poll(() => seen('two'), { timeout: 60_000 }).toBe(3)
    await grows()
    following.kill('SIGINT')
    await reading
    expect((await following).exitCode).toBe(0)
    for (const replica of new Set(lines.map((line) => line.replica))) {
      const numbers = lines.filter((line) => line.replica === replica).map(({ fields }) => fields!['n'] as number)
      expect(numbers, replica).toEqual(numbers.map((_, index) => numbers[0]! + index))
      const isNew = lines.some((line) => line.replica === replica && line.fields?.['version'] === 'two')
      if (isNew) expect(numbers[0], `${replica} from its first line`).toBe(1)
    }
    const late = lines.filter((line, index) => index > 0 && line.time < lines[index - 1]!.time - 1)
    expect(late.length).toBeLessThan(lines.length / 50)
  }, 240_000)

  it('is read back by time, and filtered by pattern and field', async () => {
    const { out } = await shop.shiv(
      'logs',
      'orders',
      '--env',
      'staging',
      '-n',
      '60',
      '--where',
      'level=error,n>0',
      '--grep',
      'two',
      '--json',
    )
    const found = out.split('\n').map((text) => (JSON.parse(text) as { line: LogLine }).line)
    expect(found.length).toBeGreaterThan(3)
    expect(found.every(({ fields }) => fields?.['level'] === 'error' && fields['version'] === 'two')).toBe(true)
    expect(found.map(({ time }) => time)).toEqual(found.map(({ time }) => time).toSorted((a, b) => a - b))
    const bad = await shop.shiv('logs', 'orders', '--env', 'staging', '--grep', '(')
    expect(bad).toMatchObject({ code: 2, err: expect.stringContaining('CLI_BAD_VALUE') })
  }, 60_000)

  it('has databases of its own where the environment says so, with credentials that nobody made', async () => {
    const file = join(shop.workspace, 'orders', 'service.yaml')
    const text = await readFile(file, 'utf8')
    await writeFile(file, `${text}databases: [{ redis: cache }]\n`)
    const refused = await shop.deploy()
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('databases: cluster') })
    await cluster.driver.deliver(cluster.cluster, ['redis:7'], { signal: AbortSignal.timeout(120_000), progress() {} })
    await writeFile(join(shop.workspace, 'shiv.yaml'), environmentsOf('logs', registry, ', databases: cluster'))
    const { code, err } = await shop.deploy()
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(shop.kubectl('-n', 'logs-staging', 'get', 'statefulset', 'cache', '-o', 'jsonpath={.status.readyReplicas}')).toBe('1')
    const secret = () =>
      shop.kubectl('-n', 'logs-staging', 'get', 'secret', 'cache-credentials', '-o', 'jsonpath={.data.password}')
    const password = secret()
    await shop.edit('three', { 'run.sh': COUNTING })
    expect(await shop.deploy()).toMatchObject({ code: 0 })
    expect(secret()).toBe(password)
  }, 240_000)
})
