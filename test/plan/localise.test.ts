import { describe, expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import { localise } from '../../src/plan/localise.ts'
import type { Patch } from '../../src/spec/model.ts'
import { caught } from './caught.ts'
import { findObject } from './find-object.ts'
import { everything, fullModel, makeModel, makeService, postgres, userService } from './fixture.ts'

const production = buildPlan(fullModel)
const local = localise(production, 'kind', fullModel)
const container = (kind: string, name: string, plan = local): any => findObject(plan, kind, name).spec.template.spec.containers[0]

describe('localise for kind', () => {
  test('leaves the Plan that it was given as it was', () => {
    expect(buildPlan(fullModel)).toEqual(production)
  })

  test('puts everything into a namespace of the workspace, restricted as in production', () => {
    expect(local.namespace).toBe('shiv-shop')
    expect(findObject(local, 'Namespace', 'shiv-shop').metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted')
    const strays = local.objects.filter((object) => object.kind !== 'Namespace' && object.metadata.namespace !== 'shiv-shop')
    expect(strays).toEqual([])
  })

  test('runs databases in the cluster under their own names, and on a NodePort for the host', () => {
    expect(findObject(local, 'Service', 'user-db').spec).toMatchObject({ type: 'ClusterIP', ports: [{ port: 5432 }] })
    expect(findObject(local, 'Service', 'user-db-host').spec).toMatchObject({ type: 'NodePort', ports: [{ port: 5432 }] })
    expect(findObject(local, 'StatefulSet', 'user-db').metadata.labels['shiv.dev/database']).toBe('user-db')
    const postgres = container('StatefulSet', 'user-db')
    expect(postgres.image).toBe('postgres:15')
    expect(postgres.readinessProbe.exec.command).toEqual([
      'pg_isready',
      '--quiet',
      '--host=127.0.0.1',
      '--port=5432',
      '--username=app',
      '--dbname=app',
    ])
    expect(postgres.env).toContainEqual({
      name: 'POSTGRES_PASSWORD',
      valueFrom: { secretKeyRef: { name: 'user-db-credentials', key: 'password' } },
    })
    expect(postgres.env).toContainEqual({ name: 'PGDATA', value: '/var/lib/postgresql/data/pgdata' })
    expect(findObject(local, 'StatefulSet', 'user-db').spec.volumeClaimTemplates[0].spec.resources.requests.storage).toBe('1Gi')
  })

  test('lets only its users and this machine reach a database', () => {
    const [rule] = findObject(local, 'NetworkPolicy', 'user-db').spec.ingress
    expect(rule.from[0].podSelector.matchExpressions[0].values).toEqual(['user-service'])
    expect(rule.from[1].ipBlock.except).toEqual(['10.244.0.0/16'])
  })

  test('opens Services on NodePorts, with the host admitted by policy', () => {
    expect(findObject(local, 'Service', 'user-service').spec.type).toBe('NodePort')
    for (const rule of findObject(local, 'NetworkPolicy', 'user-service').spec.ingress)
      expect(rule.from.at(-1).ipBlock).toBeDefined()
  })

  test('scales down after 30 s, and keeps every other number of the autoscaler', () => {
    const before = findObject(production, 'HorizontalPodAutoscaler', 'user-service').spec
    const after = findObject(local, 'HorizontalPodAutoscaler', 'user-service').spec
    expect(after.behavior.scaleDown.stabilizationWindowSeconds).toBe(30)
    after.behavior.scaleDown.stabilizationWindowSeconds = 300
    expect(after).toEqual(before)
  })

  test('opens an inspector on node, relaxes its liveness probe and keeps the user’s own NODE_OPTIONS', () => {
    const options = { kind: 'value' as const, parts: [{ kind: 'text' as const, text: '--enable-source-maps' }] }
    const model = makeModel([makeService('web', { env: { NODE_OPTIONS: options } })])
    const plan = localise(buildPlan(model), 'kind', model)
    const web = container('Deployment', 'web', plan)
    expect(web.env).toContainEqual({ name: 'NODE_OPTIONS', value: '--enable-source-maps --inspect=0.0.0.0:9229' })
    expect(web.livenessProbe.failureThreshold).toBe(720)
    expect(web.ports).toContainEqual({ name: 'debug', containerPort: 9229, protocol: 'TCP' })
    expect(findObject(plan, 'Service', 'web-debug').spec).toMatchObject({ type: 'NodePort', sessionAffinity: 'ClientIP' })
    const without = localise(buildPlan(model), 'kind', model, { debug: false })
    expect(findObject(without, 'Service', 'web-debug')).toBeUndefined()
    expect(container('Deployment', 'web', without).livenessProbe.failureThreshold).toBe(3)
  })

  test('wraps the command for a debugger that the image holds, and says why where it does not', () => {
    expect(local.absences).toContainEqual(
      expect.objectContaining({ id: 'debug.user-service', why: 'its image does not hold delve' }),
    )
    const { go } = fullModel.languages
    const languages = { ...fullModel.languages, go: { ...go!, debug: { ...go!.debug!, inImage: true } } }
    const model = makeModel([userService], { languages })
    const command: string[] = container('Deployment', 'user-service', localise(buildPlan(model), 'kind', model)).command
    expect(command.slice(0, 4)).toEqual(['dlv', 'exec', '--headless', '--listen=0.0.0.0:2345'])
    expect(command.at(-1)).toBe('app')
  })

  test('records each substitution once, with what it touched', () => {
    expect(local.substitutions.map((entry) => entry.id).toSorted()).toEqual([
      'database.order-db',
      'database.session-cache',
      'database.user-db',
      'debug.orders',
      'host',
      'image.orders',
      'image.user-service',
      'namespace',
      'network-policy',
      'nodes',
      'scale-down',
      'secret.orders-stripe',
      'secret.orders-token',
      'service-type',
    ])
    const type = local.substitutions.find((entry) => entry.id === 'service-type')
    expect(type?.touches).toEqual(['Service/user-service/spec/type', 'Service/orders/spec/type'])
    for (const entry of [...local.substitutions, ...(local.absences ?? [])]) expect(entry.why).not.toBe('')
  })

  test('leaves the Ingress away, and a patch of it rests', () => {
    const environment = { name: 'production', isProduction: true, domain: 'shop.example.com', registry: 'registry.example.com' }
    const patch: Patch = { target: { kind: 'Ingress' }, op: 'add', path: '/spec/ingressClassName', value: 'nginx', why: 'ours' }
    const model = makeModel([{ ...userService, patches: [patch] }], { environment })
    const there = buildPlan(model)
    expect(findObject(there, 'Ingress', 'user-service').spec.ingressClassName).toBe('nginx')
    const here = localise(there, 'kind', model)
    expect(here.objects.map((object) => object.kind)).not.toContain('Ingress')
    expect(here.patches).toEqual([])
    expect(here.images[0]?.repository).toBe('shiv.local/shop/user-service')
  })

  test('gives a patch the last word over a substitution, and lets it change a local database', () => {
    const scaleDown = '/spec/behavior/scaleDown/stabilizationWindowSeconds'
    const patches: Patch[] = [
      { target: { kind: 'HorizontalPodAutoscaler' }, op: 'replace', path: scaleDown, value: 60, why: 'slow' },
      { target: { kind: 'StatefulSet', name: 'user-db' }, op: 'add', path: '/metadata/annotations', value: { a: 'b' }, why: 'b' },
    ]
    const model = makeModel([{ ...userService, patches }])
    const plan = localise(buildPlan(model), 'kind', model)
    expect(findObject(plan, 'HorizontalPodAutoscaler', 'user-service').spec.behavior.scaleDown.stabilizationWindowSeconds).toBe(
      60,
    )
    expect(findObject(plan, 'StatefulSet', 'user-db').metadata.annotations).toEqual({ a: 'b' })
    expect(plan.patches).toHaveLength(2)
  })

  test('refuses a database preset that puts its password on a command line', () => {
    const broken = { ...fullModel.databases['postgres']! }
    broken.container = { ...broken.container, args: ['--password=${password}'] }
    const model = makeModel([userService], { databases: { ...fullModel.databases, postgres: broken } })
    expect(caught(() => localise(buildPlan(model), 'kind', model)).code).toBe('PLAN_PASSWORD_IN_ARGV')
  })

  test('makes a value around a password from a reference', () => {
    const preset = { ...fullModel.databases['postgres']! }
    preset.container = { ...preset.container, env: { DSN: '${user}:${password}@$(x)', DSN2: '${password}!' } }
    const model = makeModel([makeService('a', { databases: [postgres] })], {
      databases: { ...fullModel.databases, postgres: preset },
    })
    const env = container('StatefulSet', 'user-db', localise(buildPlan(model), 'kind', model)).env
    expect(env.map((entry: any) => entry.value)).toEqual([undefined, 'app:$(SHIV_PASSWORD)@$$(x)', '$(SHIV_PASSWORD)!'])
  })
})

describe('localise for processes', () => {
  const plan = localise(production, 'process', fullModel)

  test('has no objects, and the services, databases and secrets of production', () => {
    expect(plan.objects).toEqual([])
    expect(plan.runtime).toBe('process')
    expect(plan.services).toEqual(production.services)
    expect(plan.databases).toEqual(production.databases)
    expect(plan.secrets).toEqual(production.secrets)
  })

  test('says of everything else what stands for it or why nothing does', () => {
    const ids = plan.absences?.map((entry) => entry.id) ?? []
    expect(ids).toEqual(
      expect.arrayContaining(['kubernetes', 'pod-security', 'autoscaler', 'network-policy', 'sandbox', 'resources', 'alerts']),
    )
    expect(plan.substitutions.map((entry) => entry.id)).toEqual(
      expect.arrayContaining(['image.orders', 'database.user-db', 'probes', 'host']),
    )
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('keeps the command of service.yaml, else the preset’s with its templates inside', () => {
    const model = makeModel([{ ...everything, dependencies: [], env: {}, command: ['node', 'x.js'] }, userService])
    const commands = localise(buildPlan(model), 'process', model).services.map((service) => service.command)
    expect(commands).toEqual([['node', 'x.js'], ['${out}/app']])
  })
})
