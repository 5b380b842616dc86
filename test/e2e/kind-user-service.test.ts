import { execa } from 'execa'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findKind } from '../../bench/support/kind.ts'
import type { LoopsResult, ParityResult, VerifyResult } from '../../src/wire/messages.ts'
import { copyExample } from '../support/example.ts'
import { evaluate } from '../support/inspector.ts'
import { openShiv, readRun, type OwnShiv } from '../support/own-shiv.ts'
import { readFile, writeFile } from 'node:fs/promises'

const kind = await findKind()
if (!kind) console.log('test/e2e/kind-user-service: skipped, Docker, kind or a node image is missing')

const cluster = 'shiv-e2e'
const HEALTHZ = /^\thandle\("GET \/healthz".*$/m
let own: OwnShiv
let workspace: string
let kubeconfig: string

describe.skipIf(!kind)('the first example on a real cluster', () => {
  beforeAll(async () => {
    own = await openShiv('kind')
    workspace = join(own.folder, 'users')
    await copyExample('user-service', join(workspace, 'user-service'))
    await writeFile(join(workspace, 'shiv.yaml'), `name: users\ncluster: { name: ${cluster} }\n`)
    await own.shiv(['start', '--runtime', 'kind'], { cwd: workspace })
    kubeconfig = join(own.folder, 'kubeconfig')
    await writeFile(kubeconfig, (await execa('kind', ['get', 'kubeconfig', '--name', cluster])).stdout, { mode: 0o600 })
  }, 600_000)

  afterAll(async () => {
    await own.shiv(['stop', '--purge', '--yes'], { cwd: workspace, reject: false })
    await own.close()
    await execa('kind', ['delete', 'cluster', '--name', cluster, '--kubeconfig', kubeconfig])
  }, 180_000)

  it('answers at its host name', async () => {
    const { url } = (await run()).services[0]!
    expect(url).toMatch(/^http:\/\/user-service\.localhost:\d+$/)
    const { stdout } = await execa('curl', ['-sS', '-i', `${url}/healthz`])
    expect(stdout).toContain('200 OK')
    expect(stdout.toLowerCase()).toContain('shiv-served-by')
  })

  it('shows kubectl the namespace restricted and every object of the Plan', async () => {
    const namespace = await kubectl(['get', 'namespace', 'shiv-users', '-o', 'jsonpath={.metadata.labels}'])
    expect(JSON.parse(namespace)['pod-security.kubernetes.io/enforce']).toBe('restricted')
    const kinds = 'deployment,statefulset,service,hpa,pdb,networkpolicy,serviceaccount'
    const names = (await kubectl(['get', kinds, '-o', 'name'])).split('\n')
    expect(names).toEqual(
      expect.arrayContaining([
        'deployment.apps/user-service',
        'statefulset.apps/user-db',
        'statefulset.apps/session-cache',
        'service/user-service',
        'service/user-db',
        'service/session-cache',
        'horizontalpodautoscaler.autoscaling/user-service',
        'poddisruptionbudget.policy/user-service',
        'serviceaccount/user-service',
      ]),
    )
    const mount = await kubectl([
      'get',
      'pod',
      '-l',
      'app.kubernetes.io/name=user-service',
      '-o',
      'jsonpath={.items[0].spec.automountServiceAccountToken}',
    ])
    expect(mount).toBe('false')
  })

  describe('edited while it runs, in a distroless, non-root, read-only image', () => {
    /** Writes the line that answers /healthz, whatever it was; `isWhole` false leaves a parenthesis out. */
    const edit = async (word: string, isWhole = true) => {
      const path = join(workspace, 'user-service', 'routes.go')
      const line = `\thandle("GET /healthz", func(*http.Request) (int, any, error) { return http.StatusOK, status("${word}"${isWhole ? ')' : ''}, nil })`
      const text = await readFile(path, 'utf8')
      expect(text).toMatch(HEALTHZ)
      await writeFile(
        path,
        text.replace(HEALTHZ, () => line),
      )
    }
    const answer = async () => (await fetch(`${await directUrl()}/healthz`)).text()

    it('serves the new code from every pod, and loses no request on the way', async () => {
      const pods = (await run()).services[0]!.replicas.map(({ id }) => id).sort()
      const load = beginLoad(`${await directUrl()}/healthz`)
      await edit('edited once')
      await expect.poll(answer, { timeout: 240_000, interval: 250 }).toContain('edited once')
      await edit('edited twice')
      await expect.poll(answer, { timeout: 60_000, interval: 100 }).toContain('edited twice')
      const before = load.count()
      await expect.poll(() => load.count(), { timeout: 10_000 }).toBeGreaterThan(before + 10)
      const { statuses, last } = await load.end()
      expect(new Set(statuses)).toEqual(new Set([200]))
      expect(last.slice(-5).every((text) => text.includes('edited twice'))).toBe(true)
      expect((await run()).services[0]!.replicas.map(({ id }) => id).sort()).toEqual(pods)
    }, 360_000)

    it('says which line does not compile, and goes on with the code of before', async () => {
      await edit('broken', false)
      const loops = async () => (JSON.parse(await own.shiv(['loop', '--json'], { cwd: workspace })) as LoopsResult).loops
      try {
        await expect.poll(async () => (await loops()).at(-1)?.error?.code, { timeout: 60_000 }).toBe('RELOAD_BUILD_FAILED')
        expect((await loops()).at(-1)!.error!.message).toMatch(/routes\.go:\d+:\d+/)
        expect(await answer()).not.toContain('broken')
      } finally {
        await edit('mended')
      }
      await expect.poll(answer, { timeout: 60_000, interval: 100 }).toContain('mended')
    }, 180_000)

    it('gives a pod that replaces another what the others hold, proved by hash', async () => {
      const [pod] = (await run()).services[0]!.replicas
      await kubectl(['delete', 'pod', pod!.id, '--grace-period=1'])
      await expect.poll(replicas, { timeout: 120_000, interval: 1000 }).toBe(2)
      await expect.poll(async () => (await verify()).isSame, { timeout: 60_000, interval: 500 }).toBe(true)
      const answers = await Promise.all(Array.from({ length: 12 }, answer))
      expect(answers.every((text) => text.includes('mended'))).toBe(true)
      expect((await verify()).services.find(({ name }) => name === 'user-service')!.replicas).toHaveLength(2)
    }, 240_000)

    it('brings what was saved while the daemon was dead', async () => {
      const { daemon } = JSON.parse(await own.shiv(['status', '--all', '--json'])) as { daemon: { pid: number } }
      process.kill(daemon.pid, 'SIGKILL')
      await edit('saved unwatched')
      await own.shiv(['status'], { cwd: workspace })
      await expect.poll(answer, { timeout: 120_000, interval: 250 }).toContain('saved unwatched')
    }, 180_000)
  })

  it('gives psql and redis-cli URLs that work from the host', async ({ skip }) => {
    const { databases } = await readRun(own, workspace, ['--show-secrets'])
    const url = (type: string) => databases.find((database) => database.type === type)!.url
    if ((await execa('psql', ['--version'], { reject: false })).exitCode !== 0)
      return skip('skipped: psql is not on this machine')
    expect((await execa('psql', [url('postgres'), '-Atc', 'select 40 + 2'])).stdout).toBe('42')
    if ((await execa('redis-cli', ['--version'], { reject: false })).exitCode !== 0)
      return skip('skipped: redis-cli is not on this machine')
    expect((await execa('redis-cli', ['-u', url('redis'), '--no-auth-warning', 'PING'])).stdout).toBe('PONG')
  })

  it('keeps rows of its Postgres over stop and start', async () => {
    await createUser('Ada Lovelace')
    await own.shiv(['stop'], { cwd: workspace })
    expect(await kubectl(['get', 'pod', '-o', 'name'])).toBe('')
    await own.shiv(['start', '--runtime', 'kind'], { cwd: workspace })
    expect(await (await fetch(`${await directUrl()}/users`)).text()).toContain('Ada Lovelace')
  }, 180_000)

  it('verifies parity by reading the cluster back, and sees a change behind its back', async () => {
    const before = await parity()
    expect(before.facts.filter(({ live }) => live?.verdict === 'drifted')).toEqual([])
    expect(before.facts.filter(({ live }) => live?.verdict === 'confirmed').length).toBeGreaterThan(20)
    await kubectl(['label', '--overwrite', 'namespace', 'shiv-users', 'pod-security.kubernetes.io/enforce=privileged'])
    const after = await parity()
    expect(after.facts.filter(({ live }) => live?.verdict === 'drifted').map(({ id }) => id)).not.toEqual([])
    expect(after.score).toBeLessThan(before.score)
    await own.shiv(['start', '--runtime', 'kind'], { cwd: workspace })
    expect((await parity()).score).toBe(before.score)
  }, 120_000)

  it('scales from 2 up under load, and back', async () => {
    await expect
      .poll(
        () =>
          kubectl([
            'get',
            'hpa',
            'user-service',
            '-o',
            'jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}',
          ]),
        { timeout: 120_000, interval: 2000 },
      )
      .not.toBe('')
    expect(await replicas()).toBe(2)
    const url = await directUrl()
    const load = new AbortController()
    const clients = Array.from({ length: 4 }, async () => {
      while (!load.signal.aborted) await fetch(`${url}/work?ms=200`).then((response) => response.text())
    })
    await expect.poll(replicas, { timeout: 150_000, interval: 2000 }).toBeGreaterThan(2)
    load.abort()
    await Promise.all(clients)
    await expect.poll(replicas, { timeout: 240_000, interval: 2000 }).toBe(2)
  }, 540_000)

  it('comes back with one command when the node container was killed', async () => {
    await execa('docker', ['kill', `${cluster}-control-plane`])
    await own.shiv(['start', '--runtime', 'kind'], { cwd: workspace })
    expect(await (await fetch(`${await directUrl()}/users`)).text()).toContain('Ada Lovelace')
  }, 240_000)

  it('lets a debugger attach to a Node service that joins', async () => {
    await copyExample('orders', join(workspace, 'orders'))
    await own.shiv(['start', 'orders', '--runtime', 'kind'], { cwd: workspace })
    const { debug, replicas } = (await run()).services.find(({ name }) => name === 'orders')!
    expect(replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
    const targets = (await (await fetch(`http://${debug!.host}:${debug!.port}/json/list`)).json()) as { id: string }[]
    expect(await evaluate(`ws://${debug!.host}:${debug!.port}/${targets[0]!.id}`, '6 * 7')).toBe(42)
    expect((await run()).services.map(({ name }) => name).sort()).toEqual(['orders', 'user-service'])
  }, 240_000)

  it('finds its run again after the daemon was killed', async () => {
    const { daemon } = JSON.parse(await own.shiv(['status', '--all', '--json'])) as { daemon: { pid: number } }
    process.kill(daemon.pid, 'SIGKILL')
    expect((await run()).services[0]!.replicas.every(({ state }) => state === 'ready')).toBe(true)
    await own.shiv(['start', '--runtime', 'kind'], { cwd: workspace })
  }, 120_000)
})

const run = () => readRun(own, workspace)

async function directUrl(): Promise<string> {
  return (await run()).services[0]!.directUrl!
}

async function kubectl(args: string[]): Promise<string> {
  return (await execa('kubectl', ['--kubeconfig', kubeconfig, '-n', 'shiv-users', ...args])).stdout
}

async function createUser(name: string): Promise<void> {
  const body = JSON.stringify({ name, email: 'ada@example.com' })
  const response = await fetch(`${await directUrl()}/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  expect(response.status).toBe(201)
}

async function verify(): Promise<VerifyResult> {
  return JSON.parse(await own.shiv(['verify', '--json'], { cwd: workspace, reject: false })) as VerifyResult
}

/** Asks twenty times a second, each over a connection of its own, until ended. */
function beginLoad(url: string): { count(): number; end(): Promise<{ statuses: (number | string)[]; last: string[] }> } {
  const statuses: (number | string)[] = []
  const last: string[] = []
  const asked = new Set<Promise<void>>()
  const one = async (): Promise<void> => {
    try {
      const response = await fetch(url, { headers: { connection: 'close' } })
      last.push(await response.text())
      statuses.push(response.status)
    } catch (error) {
      statuses.push(String(error))
    }
  }
  const timer = setInterval(() => {
    const asking = one().finally(() => asked.delete(asking))
    asked.add(asking)
  }, 50)
  return {
    count: () => statuses.length,
    async end() {
      clearInterval(timer)
      await Promise.all(asked)
      return { statuses, last }
    },
  }
}

async function parity(): Promise<ParityResult> {
  return JSON.parse(await own.shiv(['parity', '-o', 'json'], { cwd: workspace })) as ParityResult
}

async function replicas(): Promise<number> {
  return Number(await kubectl(['get', 'deployment', 'user-service', '-o', 'jsonpath={.status.readyReplicas}']))
}
