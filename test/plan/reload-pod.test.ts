import { describe, expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import { localise } from '../../src/plan/localise.ts'
import { parityFacts } from '../../src/plan/parity.ts'
import type { Plan } from '../../src/plan/types.ts'
import type { Service } from '../../src/spec/model.ts'
import type { ReloadPolicy } from '../../src/spec/reload-policy.ts'
import { findObject } from './find-object.ts'
import { everything, makeModel, makeService, userService } from './fixture.ts'

const reload: ReloadPolicy = {
  restart: 'process',
  spare: 'node',
  overlap: false,
  browser: false,
  workdir: '/app',
  rules: [{ files: ['**/*'], do: 'sync', to: '/app', from: 'preset node' }],
}

function onKind(service: Service, options: { debug?: boolean; reload?: boolean } = { debug: false }): Plan {
  const model = makeModel([service, ...service.dependencies.map((name) => makeService(name))])
  return localise(buildPlan(model), 'kind', model, options)
}

const spec = (plan: Plan, kind: string, name: string): any => findObject(plan, kind, name).spec.template.spec
const orders = { ...everything, reload }

describe('reload in place', () => {
  test('puts the code into a volume that the image seeds, and the command under the helper', () => {
    const pod = spec(onKind(makeService('web', { reload })), 'Deployment', 'web')
    const [container] = pod.containers
    expect(container.command).toEqual(['/shiv/busybox', 'sh', '/shiv/run.sh', 'node', 'server.js'])
    expect(container.volumeMounts).toEqual([
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'shiv-tools', mountPath: '/shiv' },
      { name: 'shiv-code', mountPath: '/app' },
    ])
    expect(pod.initContainers.map((each: any) => [each.name, each.image])).toEqual([
      ['shiv-tools', 'busybox:1.36-musl'],
      ['shiv-seed', 'shiv-image:web'],
    ])
    expect(pod.initContainers[1].command).toEqual(['/shiv/busybox', 'sh', '/shiv/seed.sh', '/app', '/shiv-code', '/shiv-overlay'])
    expect(pod.volumes).toContainEqual({ name: 'shiv-overlay', configMap: { name: 'web-overlay', optional: true } })
    const helper = container.env.filter((entry: any) => entry.name.startsWith('SHIV_'))
    expect(helper).toEqual([
      { name: 'SHIV_GRACE_SECONDS', value: '30' },
      { name: 'SHIV_HEALTH_PORT', value: '8080' },
      { name: 'SHIV_HEALTH_PATH', value: '/healthz' },
      { name: 'SHIV_SPARE', value: 'node' },
    ])
  })

  test('keeps everything else of production’s pod: probes, sandbox, resources, shutdown', () => {
    const model = makeModel([makeService('web', { reload })])
    const there = spec(buildPlan(model), 'Deployment', 'web')
    const here = spec(onKind(makeService('web', { reload })), 'Deployment', 'web')
    const { command: _command, env, volumeMounts, ...container } = here.containers[0]
    const { initContainers, volumes, ...pod } = here
    expect(container).toEqual({ ...there.containers[0], env: undefined, volumeMounts: undefined })
    expect(env.slice(0, there.containers[0].env.length)).toEqual(there.containers[0].env)
    expect(volumeMounts.slice(0, 1)).toEqual(there.containers[0].volumeMounts)
    expect({ ...pod, containers: 0 }).toEqual({ ...there, containers: 0, volumes: undefined })
    expect(volumes.slice(0, 1)).toEqual(there.volumes)
    for (const each of initContainers) expect(each.resources).toEqual(there.containers[0].resources)
  })

  test('is on the workers too, not on what runs once', () => {
    const plan = onKind(orders)
    expect(spec(plan, 'StatefulSet', 'orders').initContainers).toHaveLength(2)
    const worker = spec(plan, 'Deployment', 'orders-mailer')
    expect(worker.containers[0].command).toEqual(['/shiv/busybox', 'sh', '/shiv/run.sh', 'node', 'mailer.js'])
    expect(worker.containers[0].env.map((entry: any) => entry.name)).not.toContain('SHIV_HEALTH_PORT')
    expect(spec(plan, 'Job', 'orders-migrate').initContainers).toBeUndefined()
    expect(findObject(plan, 'CronJob', 'orders-nightly').spec.jobTemplate.spec.template.spec.initContainers).toBeUndefined()
    expect(plan.objects.filter((object) => object.metadata.name === 'shiv-reload')).toHaveLength(1)
  })

  test('runs the debugger’s command, with each word as it was after Kubernetes’ expansion', () => {
    const model = makeModel([{ ...userService, reload, command: ['app', '$(PORT)', '$$x'] }])
    const go = model.languages['go']!
    model.languages = { ...model.languages, go: { ...go, debug: { ...go.debug!, inImage: true } } }
    const { command } = spec(localise(buildPlan(model), 'kind', model), 'Deployment', 'user-service').containers[0]
    expect(command.slice(0, 5)).toEqual(['/shiv/busybox', 'sh', '/shiv/run.sh', 'dlv', 'exec'])
    expect(command.slice(-3)).toEqual(['app', '$$(PORT)', '$$$$x'])
  })

  test('leaves a variable of the helper’s name to the service', () => {
    const own = { SHIV_SPARE: { kind: 'value' as const, parts: [{ kind: 'text' as const, text: 'mine' }] } }
    const { env } = spec(onKind(makeService('web', { reload, env: own })), 'Deployment', 'web').containers[0]
    expect(env.filter((entry: any) => entry.name === 'SHIV_SPARE')).toEqual([{ name: 'SHIV_SPARE', value: 'mine' }])
  })

  test('brings the tools as nobody where the pod leaves its user to an image', () => {
    const model = makeModel([makeService('web', { reload })])
    model.languages['node'] = { ...model.languages['node']!, build: { ...model.languages['node']!.build, user: 0 } }
    const pod = spec(localise(buildPlan(model), 'kind', model), 'Deployment', 'web')
    expect(pod.initContainers.map((each: any) => each.securityContext.runAsUser)).toEqual([65_534, undefined])
  })

  test('is nowhere in production, nor where it was asked to be off', () => {
    const model = makeModel([makeService('web', { reload })])
    expect(buildPlan(model)).toEqual(buildPlan(makeModel([makeService('web')])))
    expect(onKind(makeService('web', { reload }), { debug: false, reload: false })).toEqual(
      onKind(makeService('web'), { debug: false }),
    )
  })
})

describe('a service that cannot be reloaded in place', () => {
  const dockerfile = {
    kind: 'dockerfile' as const,
    context: '/home/dev/shop/web',
    dockerfile: '/home/dev/shop/web/Dockerfile',
    args: {},
  }
  const { workdir: _workdir, ...unplaced } = reload
  const command = ['node', 'x.js']

  test.each<[string, Partial<Service>, 'image' | 'ignore' | undefined, RegExp]>([
    ['a ready image', { build: { kind: 'image', image: 'nginx:1' } }, 'ignore', /nginx:1 is not built here/],
    ['a Dockerfile, folder unknown', { build: dockerfile, command, reload: unplaced }, 'image', /workdir: \/app/],
    ['a Dockerfile, command unknown', { build: dockerfile }, 'image', /command: \[...\]/],
    ['code at the root', { build: dockerfile, command, reload: { ...reload, workdir: '/' } }, 'image', /its code, \/,/],
    ['code in a volume', { volumes: [{ name: 'data', path: '/app', size: '1Gi' }] }, 'image', /its code, \/app,/],
    ['another context', { build: { kind: 'preset', context: '..' } }, 'image', /another folder/],
    ['rules for images only', { reload: { ...reload, rules: [{ files: ['a'], do: 'image', from: 'x' }] } }, undefined, /no rule/],
  ])('%s', (_title, overrides, action, why) => {
    const model = makeModel([makeService('web', { reload, ...overrides })])
    const production = buildPlan(model)
    const plan = localise(production, 'kind', model, { debug: false })
    const { containers, initContainers } = spec(
      plan,
      plan.objects.some((each) => each.kind === 'StatefulSet') ? 'StatefulSet' : 'Deployment',
      'web',
    )
    expect(initContainers).toBeUndefined()
    expect(containers[0].command?.[0]).not.toBe('/shiv/busybox')
    expect(plan.objects.some((object) => object.metadata.name === 'shiv-reload')).toBe(false)
    expect(plan.services[0]!.reload!.obstacle?.do).toBe(action)
    const fact = parityFacts(production, plan).find(({ id }) => id === 'service.web.reload')
    expect(fact).toMatchObject({ verdict: 'absent', weight: 0, why: expect.stringMatching(why) })
  })

  test('is one only in a cluster: processes run the working copy', () => {
    const model = makeModel([makeService('web', { reload, build: dockerfile })])
    expect(localise(buildPlan(model), 'process', model).services[0]!.reload).toEqual(reload)
  })

  test('can be, once service.yaml says where the code is and what runs', () => {
    const pod = spec(
      onKind(makeService('web', { reload: { ...reload, workdir: '/srv' }, build: dockerfile, command })),
      'Deployment',
      'web',
    )
    expect(pod.containers[0].volumeMounts).toContainEqual({ name: 'shiv-code', mountPath: '/srv' })
  })
})

test('parity says what reload changes, and explains every difference', () => {
  const model = makeModel([orders, userService])
  const production = buildPlan(model)
  const facts = parityFacts(production, localise(production, 'kind', model, { debug: false }))
  const of = (id: string) => facts.find((fact) => fact.id === id)
  for (const id of [
    'service.orders.command',
    'service.orders.env',
    'service.orders.statefulset.rest',
    'service.orders-mailer.command',
  ])
    expect(of(id), id).toMatchObject({
      verdict: 'substituted',
      why: 'a save goes into the running containers, without a new image',
    })
  expect(facts.filter((fact) => fact.why === 'no substitution explains it')).toEqual([])
})
