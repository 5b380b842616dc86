import { describe, expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import type { Plan } from '../../src/plan/types.ts'
import { caught } from './caught.ts'
import { findObject } from './find-object.ts'
import { everything, fullModel, makeModel, makeService, postgres, userService } from './fixture.ts'

const plan = buildPlan(fullModel)

describe('buildPlan', () => {
  test('gives the example an autoscaler that owns its replicas, a budget, a Service and policies', () => {
    const deployment = findObject(plan, 'Deployment', 'user-service')
    expect(deployment.spec.replicas).toBeUndefined()
    expect(findObject(plan, 'HorizontalPodAutoscaler', 'user-service').spec).toMatchObject({
      minReplicas: 2,
      maxReplicas: 10,
      metrics: [{ resource: { name: 'cpu', target: { averageUtilization: 70 } } }],
      behavior: { scaleDown: { stabilizationWindowSeconds: 300 } },
    })
    expect(findObject(plan, 'PodDisruptionBudget', 'user-service').spec.maxUnavailable).toBe(1)
    expect(findObject(plan, 'Service', 'user-service').spec.type).toBe('ClusterIP')
    expect(findObject(plan, 'NetworkPolicy', 'default-deny-ingress').spec).toEqual({ podSelector: {}, policyTypes: ['Ingress'] })
    expect(deployment.spec.template.metadata.annotations).toMatchObject({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': '9090',
      'prometheus.io/path': '/metrics',
    })
    expect(plan.alerts).toEqual([{ service: 'user-service', receiver: 'pagerduty-integration' }])
  })

  test('sets replicas where nothing scales, without budget for a single one', () => {
    const one = buildPlan(makeModel([makeService('lone')]))
    expect(findObject(one, 'Deployment', 'lone').spec.replicas).toBe(1)
    expect(one.objects.map((each) => each.kind)).not.toContain('HorizontalPodAutoscaler')
    expect(one.objects.map((each) => each.kind)).not.toContain('PodDisruptionBudget')
  })

  test('has no database among its objects and no Secret anywhere', () => {
    expect(findObject(plan, 'StatefulSet', 'user-db')).toBeUndefined()
    expect(plan.objects.filter((each) => each.kind === 'Secret')).toEqual([])
    expect(plan.databases.map(({ name, image, secret, users }) => ({ name, image, secret, users }))).toEqual([
      { name: 'user-db', image: 'postgres:15', secret: 'user-db-credentials', users: ['user-service'] },
      { name: 'session-cache', image: 'redis:7', secret: 'session-cache-credentials', users: ['user-service'] },
      { name: 'order-db', image: 'postgres:15', secret: 'order-db-credentials', users: ['orders'] },
    ])
  })

  test('says where each variable came from, and lets the user’s entries win', () => {
    const env = new Map(plan.services.find((service) => service.name === 'orders')?.env.map((entry) => [entry.name, entry]))
    expect([...env].map(([name, entry]) => `${name} < ${entry.from ?? 'service.yaml'}`)).toMatchInlineSnapshot(`
      [
        "SERVICE_NAME < platform",
        "PORT < platform",
        "METRICS_PORT < platform",
        "METRICS_PATH < platform",
        "LOG_FORMAT < service.yaml",
        "NODE_ENV < preset node",
        "LISTEN < preset node",
        "ORDER_DB_URL < database order-db",
        "ORDER_DB_HOST < database order-db",
        "ORDER_DB_PORT < database order-db",
        "ORDER_DB_USER < database order-db",
        "ORDER_DB_PASSWORD < database order-db",
        "ORDER_DB_NAME < database order-db",
        "DATABASE_URL < database order-db",
        "USER_SERVICE_URL < service user-service",
        "ADDRESS < service.yaml",
        "PRICE < service.yaml",
        "PEER < service.yaml",
        "STRIPE_KEY < service.yaml",
        "STRIPE_AGAIN < service.yaml",
        "TOKEN < service.yaml",
      ]
    `)
    expect(env.get('LISTEN')?.source).toEqual({ kind: 'value', parts: [{ kind: 'text', text: '0.0.0.0:3000' }] })
  })

  test('offers the sole name only while it is the only database of its type', () => {
    const two = makeService('two', { databases: [postgres, { ...postgres, name: 'other' }] })
    const names = buildPlan(makeModel([two])).services[0]?.env.map((entry) => entry.name)
    expect(names).toContain('OTHER_URL')
    expect(names).not.toContain('DATABASE_URL')
  })

  test('renders database fields as references, mixed text by helpers, and keeps the user’s own dollars', () => {
    const env: any[] = findObject(plan, 'StatefulSet', 'orders').spec.template.spec.containers[0].env
    const at = (name: string): number => env.findIndex((entry) => entry.name === name)
    expect(env[at('DATABASE_URL')].valueFrom).toEqual({ secretKeyRef: { name: 'order-db-credentials', key: 'url' } })
    expect(env[at('ADDRESS')].value).toBe('$(SHIV_ORDER_DB_HOST):$(SHIV_ORDER_DB_PORT)')
    expect(at('SHIV_ORDER_DB_HOST')).toBeLessThan(at('ADDRESS'))
    expect(env[at('PRICE')].value).toBe('costs $$(PORT) or $$$$5 or $HOME$$')
    expect(env[at('PEER')].value).toBe('http://user-service:8080')
    expect(env[at('STRIPE_KEY')].valueFrom).toEqual({ secretKeyRef: { name: 'orders-stripe', key: 'stripe-key' } })
  })

  test('names each secret, its variable, and who wants it', () => {
    const external = plan.secrets.filter((secret) => secret.source.kind === 'external')
    expect(external).toEqual([
      {
        name: 'orders-stripe',
        source: { kind: 'external' },
        keys: [{ key: 'stripe-key', variable: 'STRIPE_KEY', wantedBy: ['orders.env.STRIPE_KEY', 'orders.env.STRIPE_AGAIN'] }],
      },
      {
        name: 'orders-token',
        source: { kind: 'external' },
        keys: [{ key: 'token', variable: 'TOKEN', wantedBy: ['orders.env.TOKEN'], prompt: 'Your sandbox token' }],
      },
    ])
  })

  test('puts migrations before workloads, and services before both', () => {
    const kinds = plan.objects.map((each) => each.kind)
    expect(kinds.indexOf('Namespace')).toBe(0)
    expect(kinds.lastIndexOf('Service')).toBeLessThan(kinds.indexOf('Job'))
    expect(kinds.lastIndexOf('Job')).toBeLessThan(kinds.indexOf('Deployment'))
    expect(findObject(plan, 'Job', 'orders-migrate').metadata.annotations['shiv.dev/phase']).toBe('migrate')
  })

  test('gives a service with volumes a StatefulSet with a claim for each', () => {
    const set = findObject(plan, 'StatefulSet', 'orders')
    expect(set.spec.volumeClaimTemplates[0].spec.resources.requests.storage).toBe('1Gi')
    expect(set.spec.template.spec.containers[0].volumeMounts).toContainEqual({ name: 'data', mountPath: '/data' })
    expect(findObject(plan, 'HorizontalPodAutoscaler', 'orders').spec.scaleTargetRef.kind).toBe('StatefulSet')
  })

  test('asks health in the port’s own way', () => {
    const tcp = makeService('tcp', { ports: [{ name: 'raw', port: 7000, protocol: 'tcp' }], health: undefined })
    const worker = makeService('worker', { ports: [], health: undefined })
    const probed = buildPlan(makeModel([tcp, worker]))
    expect(findObject(probed, 'Deployment', 'tcp').spec.template.spec.containers[0].livenessProbe.tcpSocket).toEqual({
      port: 7000,
    })
    expect(findObject(probed, 'Deployment', 'worker').spec.template.spec.containers[0].livenessProbe).toBeUndefined()
    expect(findObject(probed, 'Service', 'worker')).toBeUndefined()
    expect(probed.services.map((service) => service.kind)).toEqual(['service', 'worker'])
  })

  test('fills the preset’s Dockerfile and leaves the Dockerfile’s own variables alone', () => {
    const image = plan.images.find((candidate) => candidate.service === 'orders')
    expect(image?.source).toMatchObject({
      context: '/home/dev/shop/orders',
      dockerfile: { text: 'FROM node:20-slim\nEXPOSE 3000\nARG X=${Y}\n' },
    })
    expect(image?.repository).toBe('shiv.local/shop/orders')
  })

  test('takes registry, namespace and domain from the environment', () => {
    const production = {
      name: 'production',
      isProduction: true,
      registry: 'registry.example.com/shop',
      namespace: 'shop-prod',
      domain: 'shop.example.com',
    }
    const there = buildPlan(makeModel([userService], { environment: production }))
    expect(there.namespace).toBe('shop-prod')
    expect(there.images[0]?.repository).toBe('registry.example.com/shop/user-service')
    expect(findObject(there, 'Ingress', 'user-service').spec.rules[0].host).toBe('user-service.shop.example.com')
  })

  test('takes the named services with what they depend on', () => {
    expect(buildPlan(fullModel, { services: ['user-service'] }).services.map((service) => service.name)).toEqual(['user-service'])
    expect(buildPlan(fullModel, { services: ['orders'] }).services.map((service) => service.name)).toEqual([
      'user-service',
      'orders',
    ])
    expect(caught(() => buildPlan(fullModel, { services: ['order'] }))).toMatchObject({ code: 'PLAN_SERVICE_UNKNOWN', exit: 2 })
  })

  test('refuses two objects of one name and one database of two versions', () => {
    const twins = makeModel([everything, makeService('orders-mailer'), userService])
    expect(caught(() => buildPlan(twins)).code).toBe('PLAN_NAME_TAKEN')
    const quarrel = makeModel([userService, makeService('other', { databases: [{ ...postgres, version: '16' }] })])
    expect(caught(() => buildPlan(quarrel)).code).toBe('PLAN_DATABASE_CONFLICT')
  })
})

describe('patches', () => {
  const why = 'the legacy client needs it'
  const patched = (patch: object): Plan =>
    buildPlan(
      makeModel([
        { ...userService, patches: [{ target: { kind: 'Deployment' }, op: 'replace', path: '/', why, ...patch } as never] },
      ]),
    )

  test('change the object that they name and are recorded', () => {
    const path = '/spec/template/spec/containers/0/resources/limits/memory'
    const result = patched({ path, value: '1Gi' })
    expect(findObject(result, 'Deployment', 'user-service').spec.template.spec.containers[0].resources.limits.memory).toBe('1Gi')
    expect(result.patches).toEqual([{ service: 'user-service', why, target: 'Deployment/user-service', path }])
  })

  test('add to lists and remove members', () => {
    const added = patched({ op: 'add', path: '/spec/template/spec/containers/0/env/0', value: { name: 'A', value: 'b' } })
    expect(findObject(added, 'Deployment', 'user-service').spec.template.spec.containers[0].env[0]).toEqual({
      name: 'A',
      value: 'b',
    })
    const removed = patched({ op: 'remove', path: '/spec/strategy' })
    expect(findObject(removed, 'Deployment', 'user-service').spec.strategy).toBeUndefined()
  })

  test.each([
    ['an object that is not there', { target: { kind: 'Gateway' } }],
    ['a path that is not there', { path: '/spec/nothing/here', value: 1 }],
    ['a removal of nothing', { op: 'remove', path: '/spec/nothing' }],
    ['a place outside a list', { op: 'add', path: '/spec/template/spec/containers/7', value: {} }],
    ['a path without a slash', { path: 'spec', value: 1 }],
  ])('fail with the position for %s', (_what, patch) => {
    const error = caught(() => patched(patch))
    expect(error.code).toBe('PLAN_PATCH_FAILED')
    expect(error.faults[0]).toMatchObject({ file: '/home/dev/shop/user-service/service.yaml', line: 1 })
    expect(error.hint).toBeTruthy()
  })

  test('that lead nowhere are told what is there instead', () => {
    const error = caught(() => patched({ path: '/spec/template/spce/x', value: 1 }))
    expect(error.message).toContain('nothing at /spec/template/spce/x')
    expect(error.hint).toBe('At /spec/template it has: metadata, spec')
  })

  test('of a local object rest in production’s Plan', () => {
    expect(patched({ target: { kind: 'StatefulSet', name: 'user-db' }, path: '/spec/replicas', value: 1 }).patches).toEqual([])
  })
})
