import { describe, expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import { localise } from '../../src/plan/localise.ts'
import { parityFacts, parityReport, scoreParity, verifyFacts } from '../../src/plan/parity.ts'
import { getPointer } from '../../src/plan/pointer.ts'
import type { Fact, Plan } from '../../src/plan/types.ts'
import type { Model, Patch } from '../../src/spec/model.ts'
import { fullModel, makeModel, userService } from './fixture.ts'

function compare(model: Model, runtime: 'kind' | 'process'): { facts: Fact[]; local: Plan; of(id: string): Fact } {
  const production = buildPlan(model)
  const local = localise(production, runtime, model)
  const facts = parityFacts(production, local)
  return {
    facts,
    local,
    of(id) {
      const fact = facts.find((candidate) => candidate.id === id)
      if (!fact) throw new Error(`no fact ${id} among ${facts.map((each) => each.id).join(', ')}`)
      return fact
    },
  }
}

describe('parityFacts on kind', () => {
  const kind = compare(fullModel, 'kind')

  test('finds production’s objects the same, word for word', () => {
    expect(kind.of('service.user-service.requests')).toMatchObject({ verdict: 'same', production: 'cpu 100m, memory 128Mi' })
    expect(kind.of('service.user-service.probes.liveness')).toMatchObject({
      verdict: 'same',
      production: 'GET /healthz each 5 s, 3 may fail',
    })
    expect(kind.of('namespace.pod-security')).toMatchObject({ verdict: 'same', production: 'restricted enforced' })
    expect(kind.of('service.user-service.replicas')).toMatchObject({ verdict: 'same', production: '2 to 10 at 70% CPU' })
    expect(kind.of('database.user-db.version')).toMatchObject({ verdict: 'same', production: 'postgres 15' })
    expect(kind.of('service.user-service.env').production).toBe('17 variables, 12 from Secrets')
  })

  test('gives each substitution its own words and reason', () => {
    expect(kind.of('service.user-service.autoscaler.scale-down')).toMatchObject({
      verdict: 'substituted',
      production: '300 s',
      local: '30 s',
      why: 'a developer sees it happen',
    })
    expect(kind.of('service.orders.env')).toMatchObject({
      verdict: 'substituted',
      production: 'no NODE_OPTIONS',
      local: 'NODE_OPTIONS=--inspect=0.0.0.0:9229',
    })
    expect(kind.of('service.user-service.network-policy')).toMatchObject({
      production: '8080 from pods of the namespace; 9090 from pods of the cluster',
      local: '8080 from pods of the namespace and this machine; 9090 from pods of the cluster and this machine',
    })
    expect(kind.of('alerts')).toMatchObject({ verdict: 'absent', production: 'pagerduty-integration', local: undefined })
  })

  test('tells of a debugger that could not be opened, without weight', () => {
    expect(kind.of('service.user-service.debug')).toMatchObject({
      verdict: 'absent',
      weight: 0,
      why: 'its image does not hold delve',
    })
  })

  test('shows a difference that nobody foresaw, without code for it', () => {
    const production = buildPlan(fullModel)
    const local = localise(production, 'kind', fullModel)
    const deployment: any = local.objects.find((object) => object.kind === 'Deployment')
    deployment.spec.template.spec.hostNetwork = true
    deployment.spec.template.spec.containers[0].resources.limits.memory = '8Gi'
    local.objects = local.objects.filter((object) => object.kind !== 'PodDisruptionBudget')
    const facts = new Map(parityFacts(production, local).map((fact) => [fact.id, fact]))
    expect(facts.get('service.user-service.deployment.rest')).toMatchObject({
      verdict: 'substituted',
      local: '/spec/template/spec/hostNetwork true',
      why: 'no substitution explains it',
    })
    expect(facts.get('service.user-service.limits')).toMatchObject({ verdict: 'substituted', local: 'memory 8Gi' })
    expect(facts.get('service.user-service.disruption-budget')).toMatchObject({ verdict: 'absent', local: undefined })
  })

  test('names the patch or the environment that makes a difference', () => {
    const path = '/spec/template/spec/containers/0/resources/limits/memory'
    const patch: Patch = { target: { kind: 'Deployment' }, op: 'replace', path, value: '1Gi', why: 'the image cache' }
    const local = localise(buildPlan(fullModel), 'kind', fullModel)
    const patched = makeModel([{ ...userService, patches: [patch] }])
    expect(parityFacts(buildPlan(patched), local).find((fact) => fact.id === 'service.user-service.limits')?.why).toBe(
      'a patch of user-service: the image cache',
    )
    const bigger = makeModel([{ ...userService, scaling: { minReplicas: 4, maxReplicas: 10, cpuTarget: 70 } }], {
      environment: { name: 'production', isProduction: true },
    })
    expect(parityFacts(buildPlan(bigger), local).find((fact) => fact.id === 'service.user-service.autoscaler.min')).toMatchObject(
      {
        verdict: 'substituted',
        production: '4',
        local: '2',
        why: 'the environment local says otherwise than production',
      },
    )
  })

  test('splits a public name into host and TLS', () => {
    const environment = { name: 'production', isProduction: true, domain: 'shop.example.com' }
    const { of } = compare(makeModel([userService], { environment }), 'kind')
    expect(of('service.user-service.host')).toMatchObject({
      verdict: 'substituted',
      production: 'user-service.shop.example.com',
      local: 'SERVICE.localhost',
    })
    expect(of('service.user-service.tls')).toMatchObject({ verdict: 'absent', why: 'requests do not leave this machine' })
  })
})

describe('parityFacts on processes', () => {
  const { of } = compare(fullModel, 'process')

  test('compares what processes have, and asks the runtime for it', () => {
    expect(of('service.orders-nightly.schedule')).toMatchObject({ verdict: 'same', reading: { question: 'cron:orders:nightly' } })
    expect(of('service.user-service.env')).toMatchObject({ verdict: 'same', reading: { question: 'env:user-service' } })
    expect(of('service.user-service.service.ports')).toMatchObject({ verdict: 'same' })
    expect(of('database.user-db.version')).toMatchObject({ verdict: 'same', reading: { question: 'version:user-db' } })
  })

  test('is honest about what they lack', () => {
    expect(of('namespace.pod-security')).toMatchObject({ verdict: 'absent', why: 'plain processes have no admission' })
    expect(of('service.user-service.limits')).toMatchObject({ verdict: 'absent' })
    expect(of('service.user-service.autoscaler.max')).toMatchObject({ verdict: 'absent' })
    expect(of('service.user-service.probes.liveness')).toMatchObject({
      verdict: 'substituted',
      local: 'the daemon asks the same path',
    })
    expect(of('service.user-service.replicas')).toMatchObject({ verdict: 'substituted', local: '2' })
    expect(of('kubernetes')).toMatchObject({ verdict: 'absent' })
  })
})

test('kind is closer to production than processes, and neither is all of it', () => {
  const [kind, process] = [compare(fullModel, 'kind'), compare(fullModel, 'process')].map(({ facts }) => scoreParity(facts))
  expect(kind).toBeGreaterThan(85)
  expect(kind).toBeLessThan(100)
  expect(process).toBeLessThan(60)
})

describe('the score', () => {
  const fact = (verdict: Fact['verdict'], weight: number): Fact => ({
    id: verdict,
    subject: '',
    title: '',
    production: '',
    local: '',
    verdict,
    weight,
  })

  test('is the weighted share that is kept, half for a substitution', () => {
    expect(scoreParity([fact('same', 3), fact('substituted', 2), fact('absent', 1)])).toBe(66.7)
    expect(scoreParity([])).toBe(100)
  })

  test('counts what has drifted as nothing', () => {
    expect(scoreParity([fact('same', 1), { ...fact('same', 1), live: { verdict: 'drifted' } }])).toBe(50)
    expect(scoreParity([fact('same', 1), { ...fact('same', 1), live: { verdict: 'unreadable' } }])).toBe(100)
  })
})

describe('verifyFacts', () => {
  const reading = (expect: unknown): Fact => ({
    id: 'a',
    subject: 'a',
    title: 'a',
    production: 'a',
    local: 'a',
    verdict: 'same',
    weight: 1,
    reading: { kind: 'runtime', question: 'nodes', expect },
  })
  const verdict = (expect: unknown, actual: unknown): string | undefined =>
    verifyFacts([reading(expect)], [{ actual }])[0]?.live?.verdict

  test.each([
    ['what the server adds', { a: [{ b: 1 }] }, { a: [{ b: 1, added: true }], other: 1 }],
    ['a quantity in another form', { cpu: '0.5', memory: '1Gi', n: 1 }, { cpu: '500m', memory: '1024Mi', n: '1' }],
    ['what the server leaves out when empty', { ingress: [], podSelector: {}, value: '' }, {}],
    ['a number in its range', { $atLeast: 2, $atMost: 10 }, 10],
    ['a beginning', { image: { $startsWith: 'shiv.local/shop/a:' } }, { image: 'shiv.local/shop/a:123' }],
    ['names among others', { $includes: ['A', 'B'] }, ['B', 'C', 'A']],
    ['a version of the major', { $version: '15' }, '15.8'],
    ['a version of the minor, with a v', { $version: '1.34' }, 'v1.34.4'],
  ])('confirms %s', (_what, expected, actual) => expect(verdict(expected, actual)).toBe('confirmed'))

  test.each([
    ['another value', { a: 1 }, { a: 2 }],
    ['a missing member', { a: 1 }, {}],
    ['a missing object', { a: 1 }, undefined],
    ['a longer list', [1], [1, 2]],
    ['another quantity', '1Gi', '1G'],
    ['a number out of its range', { $atLeast: 2, $atMost: 10 }, 1],
    ['a version that only starts alike', { $version: '1.3' }, '1.34'],
    ['a name that is not there', { $includes: ['A'] }, ['B']],
  ])('sees drift in %s', (_what, expected, actual) => expect(verdict(expected, actual)).toBe('drifted'))

  test('says what could not be asked, and leaves a fact without reading alone', () => {
    const { reading: _reading, ...silent } = reading(1)
    expect(verifyFacts([reading(1), silent], [undefined, undefined])).toEqual([
      { ...reading(1), live: { verdict: 'unreadable' } },
      silent,
    ])
  })

  test('confirms every object of a world that is the Plan, and sees a patch made by hand', () => {
    const { facts, local } = compare(fullModel, 'kind')
    const world = JSON.parse(
      JSON.stringify(local.objects)
        .replaceAll('shiv-image:', 'shiv.local/shop/')
        .replaceAll(/(shiv\.local\/shop\/[a-z-]+)/g, '$1:abc'),
    )
    const read = (): ({ actual: unknown } | undefined)[] =>
      facts.map(({ reading }) => {
        if (reading?.kind !== 'object') return undefined
        return {
          actual: getPointer(
            world.find((object: any) => object.kind === reading.object && object.metadata.name === reading.name),
            reading.path,
          ),
        }
      })
    expect(verifyFacts(facts, read()).filter((fact) => fact.live?.verdict === 'drifted')).toEqual([])
    const before = parityReport(verifyFacts(facts, read()))
    world.find((object: any) => object.kind === 'Deployment').spec.template.spec.containers[0].resources.limits.memory = '8Gi'
    const after = parityReport(verifyFacts(facts, read()))
    expect(after.facts.filter((fact) => fact.live?.verdict === 'drifted').map((fact) => fact.id)).toEqual([
      'service.user-service.limits',
    ])
    expect(after.score).toBeLessThan(before.score)
    expect(after.verified).toBe(true)
  })
})
