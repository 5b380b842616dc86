import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cluster, Step } from '../../../src/engine/ports.ts'
import { connectEngine } from '../../../src/drivers/docker/engine.ts'
import { createImageBuilder } from '../../../src/drivers/docker/image-builder.ts'
import { createKindDriver, type KindDriver } from '../../../src/drivers/kind/kind-driver.ts'
import { findLayerRoot } from '../../../src/drivers/kind/engine-layers.ts'
import { probeReach } from '../../../src/drivers/kind/reach.ts'
import { dockerHas, kindHas } from '../docker/available.ts'

const name = `shiv-test-${process.pid}`
const workspace = `test-kind-${process.pid}`
const spec = { name, kubernetes: '1.34', workers: 0 }
const node = `${name}-control-plane`

test('without kind the error says how to install it', async () => {
  const probe = await createKindDriver().probe({ PATH: '/nowhere' })
  expect(probe).toMatchObject({ available: false, code: 'KIND_MISSING', hint: expect.stringContaining('kind') })
})

describe.skipIf(!dockerHas('busybox:1.36') || !kindHas())('a real cluster', { timeout: 180_000 }, () => {
  let home: string
  let context: string
  let driver: KindDriver
  let cluster: Cluster
  const notes: string[] = []

  const ensure = (over: Partial<typeof spec> = {}, signal = new AbortController().signal, using = driver) =>
    using.ensure(
      { ...spec, ...over },
      {
        signal,
        environment: process.env,
        step: (_name, work) => work({ progress: () => undefined, note: (text) => notes.push(text) } satisfies Step),
      },
    )
  const kubectl = (...args: string[]): string =>
    execFileSync('docker', ['exec', node, 'kubectl', '--kubeconfig=/etc/kubernetes/admin.conf', ...args], { encoding: 'utf8' })
  const build = async (code: string, modules = 'head -c 3000000 /dev/urandom > /modules'): Promise<string> => {
    writeFileSync(join(context, 'code'), code)
    const dockerfile = `FROM busybox:1.36\nRUN ${modules}\nCOPY code /code\n`
    const source = { kind: 'build' as const, context, dockerfile: { text: dockerfile }, args: {}, ignore: [] }
    const image = { service: 'app', repository: `shiv.local/${workspace}/app`, source }
    const call = { signal: new AbortController().signal, environment: process.env, progress: () => undefined }
    return (await createImageBuilder({ home }).ensure(image, call)).reference
  }
  const deliver = (references: string[], using = driver) =>
    using.deliver(cluster, references, { signal: new AbortController().signal, progress: () => undefined })
  /** Runs a pod of the image that may not pull, and returns what it printed. */
  const printed = (pod: string, image: string): string => {
    kubectl(
      'run',
      pod,
      `--image=${image}`,
      '--image-pull-policy=IfNotPresent',
      '--restart=Never',
      '--command',
      '--',
      'cat',
      '/code',
    )
    kubectl('wait', `pod/${pod}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=90s')
    return kubectl('logs', pod)
  }

  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'shiv-kind-'))
    context = mkdtempSync(join(tmpdir(), 'shiv-kind-context-'))
    driver = createKindDriver({ home, reach: 'mapped' })
  })
  afterAll(async () => {
    await driver.remove(spec)
    driver.close()
    await createImageBuilder({ home }).collectImages({ keep: [], workspace })
    rmSync(home, { recursive: true, force: true })
    rmSync(context, { recursive: true, force: true })
    const engine = await connectEngine(process.env)
    const filters = encodeURIComponent(JSON.stringify({ label: [`io.x-k8s.kind.cluster=${name}`] }))
    expect(await engine.json('GET', `/containers/json?all=true&filters=${filters}`)).toEqual([])
  }, 60_000)

  test('a creation that was cut off is made anew, and the cluster is there when its API server answers', async () => {
    const controller = new AbortController()
    const cut = ensure({}, controller.signal)
    const record = join(home, 'clusters', name, 'cluster.json')
    const creator = await until(() => (JSON.parse(readFileSync(record, 'utf8')) as { creator?: { pid: number } }).creator?.pid)
    await until(() => execFileSync('docker', ['inspect', node], { stdio: 'pipe' }))
    controller.abort(new Error('interrupted'))
    await expect(cut).rejects.toThrow('interrupted')
    process.kill(creator, 'SIGKILL')
    await driver.settled(spec).catch(() => undefined) // it was killed
    driver.close()
    writeFileSync(
      record,
      JSON.stringify({ version: 1, ...spec, state: 'creating', creator: { pid: creator, startTime: 'gone' } }),
    )

    driver = createKindDriver({ home, reach: 'mapped' })
    cluster = await ensure()
    expect(notes.join()).toContain('interrupted')
    expect(cluster.context).toBe(`kind-${name}`)
    expect(statSync(cluster.kubeconfig).mode & 0o777).toBe(0o600)
    await driver.settled(spec)
    expect(await driver.find(spec)).toMatchObject({ kubeconfig: cluster.kubeconfig })
  })

  test('images reach the node with what it lacks, under their names, and pods run them without a pull', async () => {
    const first = await build('one')
    expect(await deliver([first, 'nobody/has-this:1'])).toEqual({ sentBytes: expect.any(Number), skipped: ['nobody/has-this:1'] })
    expect(await deliver([first])).toEqual({ sentBytes: 0, skipped: [] })
    const second = await build('two')
    const { sentBytes } = await deliver([second])
    expect(sentBytes).toBeGreaterThan(0)
    expect(sentBytes).toBeLessThan(100_000)
    await driver.settled(spec)
    kubectl('wait', 'node', '--all', '--for=condition=Ready', '--timeout=90s')
    await until(() => kubectl('get', 'serviceaccount', 'default'))
    expect(printed('one', first)).toBe('one')
    expect(printed('two', second)).toBe('two')
  })

  test('an image reaches the node whole where the engine gives no single layers', async () => {
    const whole = createKindDriver({ home, wholeArchives: true })
    const third = await build('three')
    expect((await deliver([third], whole)).sentBytes).toBeGreaterThan(3_000_000)
    whole.close()
    expect(printed('three', third)).toBe('three')
  })

  test('a layer that the node lost is sent again', async () => {
    const images = (): string =>
      execFileSync('docker', ['exec', node, 'ctr', '-n', 'k8s.io', 'images', 'ls', '-q'], { encoding: 'utf8' })
    kubectl('delete', 'pod', '--all', '--now')
    const removed = await driver.collectImages(cluster, { keep: [], workspace })
    expect(removed.length).toBe(3)
    expect(images()).not.toContain(workspace)
    // It fails when containerd's own collection takes one away under it.
    await until(() =>
      execFileSync('docker', ['exec', node, 'ctr', '-n', 'k8s.io', 'content', 'prune', 'references'], { stdio: 'pipe' }),
    )
    const fourth = await build('four')
    await deliver([fourth])
    expect(printed('four', fourth)).toBe('four')
    expect(images()).toContain(fourth)
  })

  test('a large image gets into the node by links, without its bytes, and goes from it like any other', async ({ skip }) => {
    if ((await findLayerRoot(await connectEngine(process.env))) === undefined) return skip('this engine keeps layers otherwise')
    const large = await build('large', 'mkdir /gone && touch /gone/too && head -c 60000000 /dev/zero > /modules')
    const ctr = (...args: string[]): string =>
      execFileSync('docker', ['exec', node, 'ctr', '-n', 'k8s.io', ...args], { encoding: 'utf8' })
    const snapshots = (): string[] => ctr('snapshots', 'ls').match(/^\S+/gm) ?? []
    const before = snapshots()
    expect((await deliver([large])).sentBytes).toBeLessThan(100_000)
    expect(await deliver([large])).toEqual({ sentBytes: 0, skipped: [] })
    const made = snapshots().filter((key) => !before.includes(key))
    expect(made.length).toBeGreaterThanOrEqual(2)
    expect(made.filter((key) => !key.startsWith('sha256:'))).toEqual([])
    expect(printed('large', large)).toBe('large')
    expect(execFileSync('docker', ['exec', node, 'ls', '/var/lib/shiv-layers'], { encoding: 'utf8' })).toBe('')
    // A service's next image has one layer of its own; the others are there.
    const next = await build('next', 'mkdir /gone && touch /gone/too && head -c 60000000 /dev/zero > /modules')
    expect((await deliver([next])).sentBytes).toBeLessThan(100_000)
    expect(printed('next', next)).toBe('next')
    kubectl('delete', 'pod', 'large', 'next', '--now')
    await driver.dropImages?.(cluster, [large, next])
    await until(() => (made.some((key) => snapshots().includes(key)) ? undefined : true))
  })

  test('a NodePort answers on loopback through a mapped port, and at the address of the node where that is within reach', async () => {
    await deliver(['busybox:1.36'])
    kubectl('create', 'service', 'nodeport', 'web', '--tcp=80:8080', '--node-port=30007')
    const run = ['run', 'web', '--labels=app=web', '--image=busybox:1.36', '--image-pull-policy=Never', '--command', '--']
    kubectl(...run, 'httpd', '-f', '-p', '8080', '-h', '/etc')
    kubectl('wait', 'pod/web', '--for=condition=Ready', '--timeout=60s')
    expect(cluster.nodePorts).toEqual({ from: 30000, to: 30063 })
    expect(await until(() => answer(cluster.reach(30007)))).toContain('200 OK')
    if ((await probeReach(await connectEngine(process.env))) === 'mapped') return
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
    const host = execFileSync('docker', ['inspect', '-f', format, node], { encoding: 'utf8' }).trim()
    expect(await until(() => answer({ host, port: 30007 }))).toContain('200 OK')
  })

  test('a cluster that is not the one wanted is named, not deleted', async () => {
    const differs = { code: 'KIND_CLUSTER_DIFFERS', exit: 3 }
    await expect(ensure({ kubernetes: '1.33' })).rejects.toMatchObject({ ...differs, message: expect.stringContaining('1.33') })
    await expect(ensure({ workers: 2 })).rejects.toMatchObject({ ...differs, message: expect.stringContaining('3 nodes') })
    await expect(ensure()).resolves.toMatchObject({ context: cluster.context })
  })

  test('a home that knows nothing of it adopts a cluster that shiv made', async () => {
    const other = mkdtempSync(join(tmpdir(), 'shiv-kind-other-'))
    const stranger = createKindDriver({ home: other })
    await expect(ensure({}, undefined, stranger)).resolves.toMatchObject({ context: cluster.context })
    kubectl('label', 'node', '--all', 'shiv.dev/cluster-')
    rmSync(other, { recursive: true })
    const notOurs = { code: 'KIND_CLUSTER_DIFFERS', message: expect.stringContaining('shiv did not make it') }
    await expect(ensure({}, undefined, stranger)).rejects.toMatchObject(notOurs)
    await expect(stranger.remove(spec)).rejects.toMatchObject(notOurs)
    rmSync(other, { recursive: true, force: true })
    stranger.close()
  })

  test('a killed node comes back with what it held', async () => {
    const image = await build('four')
    await deliver([image])
    kubectl('create', 'configmap', 'kept', '--from-literal=a=b')
    execFileSync('docker', ['kill', node])
    expect(await driver.find(spec)).toBeUndefined()
    cluster = await ensure()
    expect(notes.at(-1)).toContain('started again')
    expect(kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}')).toBe('b')
    expect(await until(() => deliver([image]))).toEqual({ sentBytes: 0, skipped: [] })
    kubectl('wait', 'node', '--all', '--for=condition=Ready', '--timeout=90s')
    expect(printed('again', image)).toBe('four')
  })
})

/** Asks until there is an answer; the test's own time limit ends it. */
async function until<T>(ask: () => T | undefined | Promise<T | undefined>): Promise<NonNullable<T>> {
  for (;;) {
    try {
      const value = await ask()
      if (value !== undefined && value !== null) return value
    } catch {
      // not there yet
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

function answer(endpoint: { host: string; port: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(endpoint)
    socket.setTimeout(2_000, () => socket.destroy(new Error('late')))
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => (text === '' ? reject(new Error('closed without a word')) : resolve(text)))
    socket.write('GET /passwd HTTP/1.0\r\n\r\n')
  })
}
