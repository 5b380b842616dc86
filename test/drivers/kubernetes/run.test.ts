import { execFileSync, spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKindRuntime } from '../../../src/drivers/kubernetes/runtime.ts'
import type { LogLine, Runtime } from '../../../src/engine/ports.ts'
import type { Plan } from '../../../src/plan/types.ts'
import { type TestCluster, acquireCluster, whyNoCluster } from '../../support/cluster.ts'
import { contextOf, references } from './context.ts'
import { type Piece, configMap, kindPlan, migrateJob, redis, server } from './plans.ts'

const why = whyNoCluster()
if (why !== undefined) console.log(`skipped: runs on a real cluster (${why})`)

const noProbes = { startupProbe: undefined, readinessProbe: undefined, livenessProbe: undefined }

describe.skipIf(why !== undefined)('a run in a real cluster', () => {
  let test: TestCluster
  let runtime: Runtime
  const plans = new Map<string, Plan>()
  const planOf = (workspace: string, pieces: Piece[], extra: Partial<Plan> = {}) => {
    const plan = kindPlan(workspace, test.spec, pieces, extra)
    plans.set(workspace, plan)
    return plan
  }
  const versions = (plan: Plan) =>
    test.kubectl(
      'get',
      'deploy,sts,svc,cm,secret',
      '-n',
      plan.namespace,
      '-o',
      'jsonpath={range .items[*]}{.kind}/{.metadata.name}@{.metadata.resourceVersion}{"\\n"}{end}',
    )
  const names = (plan: Plan, kinds: string) =>
    test.kubectl('get', kinds, '-n', plan.namespace, '-o', 'name').trim().split('\n').filter(Boolean)

  beforeAll(async () => {
    test = await acquireCluster()
    runtime = createKindRuntime({ home: test.home, cluster: test.driver, images: references })
  }, 300_000)
  afterAll(async () => {
    for (const plan of plans.values()) {
      await runtime.release(contextOf(plan).runId)
      test.kubectl('delete', 'namespace', plan.namespace, '--wait=false', '--ignore-not-found')
    }
    test?.release()
  }, 120_000)

  it('starts databases, migrates, serves; a start without change sends nothing; what left the Plan goes', async () => {
    const job = () => migrateJob({ name: 'web', script: 'echo migrating', container: noProbes }, 'first')
    const pieces = [
      { name: 'web', replicas: 2 },
      { name: 'api', script: server('api') },
    ]
    const database = redis('cache', ['web'])
    const plan = planOf('first', pieces, { databases: [database], objects: [job(), configMap('settings', 'first', { a: '1' })] })
    const context = contextOf(plan)
    const state = await runtime.reconcile(plan, context)

    expect(
      state.services.map(({ name, replicas, desired }) => [name, replicas.map((replica) => replica.state), desired]),
    ).toEqual([
      ['web', ['ready', 'ready'], 2],
      ['api', ['ready'], 1],
    ])
    const way = state.services[1]?.endpoints['http']?.[0]
    expect(await (await fetch(`http://${way?.host}:${way?.port}/healthz`)).text()).toBe('api\n')
    expect(state.databases[0]).toMatchObject({ name: 'cache', type: 'redis', state: 'ready' })
    const { hostname, port, password } = new URL(state.databases[0]?.url ?? '')
    const options = { encoding: 'utf8', env: { ...process.env, REDISCLI_AUTH: password } } as const
    const asking = [
      'run',
      '--rm',
      '--network',
      'kind',
      '--env',
      'REDISCLI_AUTH',
      'redis:7',
      'redis-cli',
      '-h',
      hostname,
      '-p',
      port,
      'ping',
    ]
    const asked = execFileSync('docker', asking, options)
    expect(asked).toContain('PONG')
    expect(context.steps.map((step) => step.split(':')[0])).toEqual(
      expect.arrayContaining(['databases', 'migrations', 'services']),
    )
    expect(context.events).toContainEqual({ kind: 'endpoints', service: 'api', endpoints: [way] })
    expect(context.events.some((event) => event.kind === 'health' && event.service === 'web' && event.state === 'ready')).toBe(
      true,
    )

    const before = versions(plan)
    const again = contextOf(plan)
    await runtime.reconcile(plan, again)
    expect(versions(plan)).toBe(before)
    expect(again.steps).toEqual(expect.arrayContaining(['databases: unchanged', 'migrations: unchanged', 'services: unchanged']))

    test.kubectl('create', 'configmap', 'mine', '-n', plan.namespace, '--from-literal=a=1')
    const smaller = planOf('first', pieces.slice(0, 1), { databases: [database], objects: [job()] })
    await runtime.reconcile(smaller, contextOf(smaller))
    expect(names(plan, 'deploy,svc')).toEqual(['deployment.apps/web', 'service/cache', 'service/cache-host', 'service/web'])
    expect(names(plan, 'cm')).toEqual(['configmap/kube-root-ca.crt', 'configmap/mine', 'configmap/shiv-inventory'])
    expect(names(plan, 'secret')).toEqual(['secret/cache-credentials'])
    expect(names(plan, 'pod').filter((name) => name.startsWith('pod/api-'))).toEqual([])
  }, 120_000)

  it('puts back what somebody changed, and what somebody deleted', async () => {
    const plan = planOf('drift', [{ name: 'web' }], { objects: [configMap('settings', 'drift', { a: '1' })] })
    await runtime.reconcile(plan, contextOf(plan))
    test.kubectl('patch', 'cm', 'settings', '-n', plan.namespace, '--patch', '{"data":{"a":"2"}}')
    test.kubectl('delete', 'service', 'web', '-n', plan.namespace)
    await runtime.reconcile(plan, contextOf(plan))
    expect(test.kubectl('get', 'cm', 'settings', '-n', plan.namespace, '-o', 'jsonpath={.data.a}')).toBe('1')
    expect(names(plan, 'svc')).toEqual(['service/web'])
  }, 60_000)

  it('does not touch an object of that name that is not ours', async () => {
    const plan = planOf('foreign', [{ name: 'web' }], { objects: [configMap('settings', 'foreign', { a: '1' })] })
    test.kubectl('create', 'namespace', plan.namespace)
    test.kubectl('label', 'namespace', plan.namespace, 'shiv.dev/run=foreign')
    test.kubectl('create', 'configmap', 'settings', '-n', plan.namespace, '--from-literal=a=theirs')
    await expect(runtime.reconcile(plan, contextOf(plan))).rejects.toMatchObject({
      code: 'KUBE_OBJECT_FOREIGN',
      message: 'ConfigMap/settings is already in the cluster and is managed by kubectl-create; it is not touched.',
      hint: expect.stringContaining('kubectl delete configmap settings -n shiv-foreign'),
    })
    expect(test.kubectl('get', 'cm', 'settings', '-n', plan.namespace, '-o', 'jsonpath={.data.a}')).toBe('theirs')
  }, 60_000)

  it('brings the developer’s own secrets, restarts what reads them when they change, and names each that is missing', async () => {
    const env = [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'web-stripe', key: 'api-key' } } }]
    const piece = { name: 'web', script: server('$KEY'), container: { env } }
    const secrets: Plan['secrets'] = [
      {
        name: 'web-stripe',
        source: { kind: 'external' },
        keys: [{ key: 'api-key', variable: 'STRIPE_KEY', wantedBy: ['web.env.KEY'] }],
      },
    ]
    const plan = planOf('secrets', [piece], { secrets })
    await expect(runtime.reconcile(plan, contextOf(plan))).rejects.toMatchObject({
      code: 'SECRET_MISSING',
      exit: 2,
      message: 'The secret value STRIPE_KEY is missing; wanted by web.env.KEY.',
      hint: expect.stringMatching(/export STRIPE_KEY=[^]*\.env\.local[^]*service\.yaml/),
    })
    const served = async (value: string) => {
      const state = await runtime.reconcile(plan, contextOf(plan, { STRIPE_KEY: value }))
      const way = state.services[0]?.endpoints['http']?.[0]
      const ask = async () => (await fetch(`http://${way?.host}:${way?.port}/healthz`)).text()
      // The node's proxy rules follow the endpoints within a second.
      await expect.poll(ask, { timeout: 3000 }).toBe(`${value}\n`)
    }
    await served('first-value')
    await served('second-value')
    const kept = test.kubectl('get', 'cm', 'shiv-inventory', '-n', plan.namespace, '-o', 'yaml')
    expect(kept).not.toContain('second-value')
  }, 90_000)

  it('makes a Job and a Deployment anew when a field changes that cannot', async () => {
    const job = (text: string) => migrateJob({ name: 'web', script: `echo ${text}`, container: noProbes }, 'anew')
    const plan = planOf('anew', [{ name: 'web' }], { objects: [job('one')] })
    await runtime.reconcile(plan, contextOf(plan))
    const next = planOf('anew', [{ name: 'web' }], { objects: [job('two')] })
    const deployment = next.objects.find(({ kind }) => kind === 'Deployment') as unknown as {
      spec: { selector: { matchLabels: Record<string, string> }; template: { metadata: { labels: Record<string, string> } } }
    }
    deployment.spec.selector.matchLabels = { ...deployment.spec.selector.matchLabels, tier: 'front' }
    deployment.spec.template.metadata.labels = { ...deployment.spec.template.metadata.labels, tier: 'front' }
    const state = await runtime.reconcile(next, contextOf(next))
    expect(state.services[0]?.replicas.some((replica) => replica.state === 'ready')).toBe(true)
    expect(test.kubectl('logs', 'job/web-migrate', '-n', next.namespace)).toBe('two\n')
  }, 90_000)

  it('follows logs through crashes and replaced pods, each line once', async () => {
    const script = `i=0; ${server('up').replace('exec httpd', 'httpd')} & while [ ! -f /tmp/end ]; do echo "line $HOSTNAME $i"; i=$((i+1)); sleep 0.05; done; exit 9`
    const plan = planOf('logs', [{ name: 'web', script, container: { livenessProbe: undefined } }])
    await runtime.reconcile(plan, contextOf(plan))
    const context = contextOf(plan)
    const lines: LogLine[] = []
    const reading = (async () => {
      for await (const line of runtime.logs(plan, { sources: ['web'], follow: true }, context)) lines.push(line)
    })()
    const seen = (test: () => boolean) => expect.poll(test, { timeout: 40_000, interval: 50 }).toBe(true)
    await seen(() => lines.length > 20)
    await runtime.exec(plan, 'web', ['touch', '/tmp/end'], contextOf(plan))
    const first = lines[0]?.replica ?? ''
    test.kubectl('delete', 'pod', first, '-n', plan.namespace, '--wait=false')
    await seen(() => lines.filter(({ replica }) => replica !== first).length > 20)
    context.stop()
    await reading.catch(() => undefined)
    for (const replica of new Set(lines.map((line) => line.replica))) {
      const numbers = lines
        .filter((line) => line.replica === replica && line.text.startsWith('line '))
        .map((line) => Number(line.text.split(' ')[2]))
      expect(numbers).toEqual(numbers.map((_number, index) => index))
    }
    expect(lines.find(({ fields }) => fields !== undefined)?.fields).toMatchObject({ level: 'info' })
    const tail: LogLine[] = []
    for await (const line of runtime.logs(plan, { sources: [], follow: false, tail: 3 }, contextOf(plan))) tail.push(line)
    expect(tail).toHaveLength(3)
  }, 90_000)

  it('runs commands, restarts, reads live values, tells crashes, is found again', async () => {
    const script = `${server('up').replace('exec httpd', 'httpd')} & while [ ! -f /tmp/end ]; do sleep 0.1; done; echo out of coffee; exit 9`
    const plan = planOf('live', [{ name: 'web', script }])
    const context = contextOf(plan)
    const started = await runtime.reconcile(plan, context)
    expect(await runtime.exec(plan, 'web', ['sh', '-c', 'echo out; echo err >&2; exit 3'], context)).toEqual({
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    })
    await expect(runtime.exec(plan, 'web', ['nowhere'], context)).rejects.toMatchObject({ code: 'POD_EXEC_FAILED' })

    await runtime.restart(plan, 'web', context)
    const restarted = await runtime.read(plan, context)
    const ids = (state: typeof started) =>
      state.services[0]?.replicas.filter(({ state }) => state === 'ready').map(({ id }) => id)
    expect(ids(restarted)).toHaveLength(1)
    expect(ids(restarted)).not.toEqual(ids(started))

    const readings = await runtime.readings(
      plan,
      [
        { kind: 'object', apiVersion: 'apps/v1', object: 'Deployment', name: 'web', path: '/spec/replicas', expect: 1 },
        { kind: 'object', apiVersion: 'v1', object: 'ConfigMap', name: 'nowhere', path: '/data', expect: 1 },
        { kind: 'runtime', question: 'kubernetes', expect: '1.34' },
        { kind: 'runtime', question: 'user:web', expect: 1000 },
        { kind: 'runtime', question: 'health:web', expect: true },
        { kind: 'runtime', question: 'env:web', expect: { $includes: [] } },
        { kind: 'runtime', question: 'log-format:web', expect: 'structured' },
      ],
      context,
    )
    expect(readings.map((reading) => reading?.actual)).toEqual([1, undefined, '1.34', 1000, true, [], 'structured'])

    await runtime.exec(plan, 'web', ['touch', '/tmp/end'], context)
    await expect
      .poll(() => context.events.find((event) => event.kind === 'health' && event.state === 'crashed'), { timeout: 20_000 })
      .toMatchObject({ service: 'web', cause: 'exited with code 9: out of coffee' })

    await runtime.release(context.runId)
    const found = contextOf(plan)
    expect((await runtime.adopt(plan, found))?.services[0]?.name).toBe('web')
    expect(await runtime.adopt(kindPlan('nobody', test.spec, []), contextOf(plan))).toBeUndefined()
  }, 90_000)

  it('removes all but the data, finds the data again with its password, and with purge leaves nothing', async () => {
    const plan = planOf('leave', [{ name: 'web' }], { databases: [redis('cache', ['web'])] })
    const context = contextOf(plan)
    const first = await runtime.reconcile(plan, context)
    test.kubectl('exec', 'cache-0', '-n', plan.namespace, '--', 'redis-cli', 'set', 'kept', 'yes')
    const watched = watchPods(test, plan)
    await watched.seen(/^ADDED web-.* <none>$/m)
    await runtime.remove(plan, { purge: false }, context)
    // The service ended while its database still answered.
    const events = (await watched.seen(/^DELETED cache-0 /m)).split('\n')
    expect(events.findIndex((line) => line.startsWith('DELETED web-'))).toBeLessThan(
      events.findIndex((line) => /^\w+ cache-0 \d/.test(line)),
    )
    expect(events.some((line) => line.startsWith('DELETED web-'))).toBe(true)
    watched.end()
    expect(names(plan, 'all,netpol,sa,cm,secret,pvc')).toEqual([
      'serviceaccount/default',
      'configmap/kube-root-ca.crt',
      'secret/cache-credentials',
      'persistentvolumeclaim/data-cache-0',
    ])
    const second = await runtime.reconcile(plan, context)
    const password = (state: typeof first) => /:([^:@]+)@/.exec(state.databases[0]?.url ?? '')?.[1]
    expect(password(second)).toBe(password(first))
    expect(test.kubectl('exec', 'cache-0', '-n', plan.namespace, '--', 'redis-cli', 'get', 'kept')).toBe('yes\n')
    await runtime.remove(plan, { purge: true }, context)
    await runtime.remove(plan, { purge: true }, context)
    expect(test.kubectl('get', 'namespace', plan.namespace, '--ignore-not-found')).toBe('')
  }, 120_000)
})

/** Events of a namespace's pods, one a line: what happened, the pod, and since when it is leaving. */
function watchPods({ cluster }: TestCluster, { namespace }: Plan): { seen(line: RegExp): Promise<string>; end(): void } {
  const { kubeconfig, context } = cluster
  const columns = 'custom-columns=EVENT:type,NAME:object.metadata.name,LEAVING:object.metadata.deletionTimestamp'
  const argv = ['get', 'pods', '--watch', '--output-watch-events', '--no-headers', '-o', columns]
  const child = spawn('kubectl', ['--kubeconfig', kubeconfig, '--context', context, '-n', namespace, ...argv])
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += String(chunk).replace(/ +/g, ' ')))
  return {
    async seen(line) {
      await expect.poll(() => text, { timeout: 60_000 }).toMatch(line)
      return text
    },
    end: () => void child.kill(),
  }
}
