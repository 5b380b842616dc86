import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import { escapeExpansion } from '../../src/plan/kube-env.ts'
import { localise } from '../../src/plan/localise.ts'
import { parityFacts, scoreParity } from '../../src/plan/parity.ts'
import type { KubeObject, Plan } from '../../src/plan/types.ts'
import type { Model, Service } from '../../src/spec/model.ts'
import type { ReloadPolicy } from '../../src/spec/reload-policy.ts'
import { fullModel, makeModel, makeService } from './fixture.ts'

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/)
const command = fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 })

const database = fc.record({
  type: fc.constantFrom('postgres', 'redis', 'mysql', 'mongodb'),
  name: label,
  version: fc.constant('7'),
  storage: fc.constant('1Gi'),
})

const reload: ReloadPolicy = {
  restart: 'process',
  spare: 'node',
  overlap: false,
  browser: false,
  workdir: '/app',
  rules: [{ files: ['**/*'], do: 'sync', to: '/app', from: 'preset node' }],
}

const service: fc.Arbitrary<Service> = fc
  .record({
    name: label,
    language: fc.constantFrom('go', 'node', 'python'),
    protocols: fc.array(fc.constantFrom('http' as const, 'grpc' as const, 'tcp' as const), { maxLength: 3 }),
    min: fc.integer({ min: 1, max: 3 }),
    more: fc.integer({ min: 0, max: 5 }),
    cpuTarget: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
    databases: fc.uniqueArray(database, { maxLength: 3, selector: (use) => use.name }),
    workers: fc.uniqueArray(fc.record({ name: label, command, replicas: fc.integer({ min: 1, max: 3 }) }), {
      maxLength: 2,
      selector: (worker) => worker.name,
    }),
    cron: fc.uniqueArray(fc.record({ name: label, schedule: fc.constant('0 3 * * *'), command }), {
      maxLength: 2,
      selector: (cron) => cron.name,
    }),
    hasVolume: fc.boolean(),
    migrate: fc.option(command, { nil: undefined }),
    texts: fc.array(fc.string(), { maxLength: 3 }),
    isReloaded: fc.boolean(),
  })
  .map(({ name, language, protocols, min, more, cpuTarget, databases, hasVolume, texts, isReloaded, ...rest }) =>
    makeService(name, {
      ...(isReloaded && { reload }),
      language,
      ports: protocols.map((protocol, index) => ({ name: `p${index}`, port: 3000 + index, protocol })),
      scaling: { minReplicas: min, maxReplicas: min + more, ...(cpuTarget !== undefined && { cpuTarget }) },
      databases,
      volumes: hasVolume ? [{ name: 'data', path: '/data', size: '1Gi' }] : [],
      env: Object.fromEntries(
        texts.map((text, index) => {
          const parts = [
            { kind: 'text' as const, text },
            ...databases.map((use) => ({ kind: 'database' as const, database: use.name, field: 'host' as const })),
          ]
          return [`TEXT_${index}`, { kind: 'value' as const, parts }]
        }),
      ),
      ...rest,
    }),
  )

/** Names that collide are another test's matter. */
const model: fc.Arbitrary<Model> = service
  .filter(
    (one) =>
      !one.databases.some(
        (use) => use.name === one.name || use.name.startsWith(`${one.name}-`) || one.name.startsWith(`${use.name}-`),
      ),
  )
  .filter((one) => !one.workers.some((worker) => ['debug', 'host', 'migrate'].includes(worker.name)))
  .map((one) => makeModel([one]))

function plans(of: Model): Plan[] {
  const production = buildPlan(of)
  return [production, localise(production, 'kind', of)]
}

function podTemplates(plan: Plan): { owner: KubeObject; template: any }[] {
  return plan.objects.flatMap((owner: any) => {
    const template = owner.kind === 'CronJob' ? owner.spec.jobTemplate.spec.template : owner.spec?.template
    return template ? [{ owner, template }] : []
  })
}

function check(holds: (plan: Plan) => void): void {
  for (const plan of plans(fullModel)) holds(plan)
  fc.assert(
    fc.property(model, (of) => {
      for (const plan of plans(of)) holds(plan)
    }),
    { numRuns: 60 },
  )
}

describe('every Plan', () => {
  test('has only pods that Pod Security restricted admits', () => {
    check((plan) => {
      for (const { template } of podTemplates(plan)) {
        expect(template.spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
        expect(template.spec.securityContext.runAsUser).not.toBe(0)
        expect(template.spec.automountServiceAccountToken).toBe(false)
        expect(template.spec.hostNetwork ?? template.spec.hostPID ?? template.spec.hostIPC).toBeUndefined()
        for (const container of [...template.spec.containers, ...(template.spec.initContainers ?? [])]) {
          expect(container.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          })
          for (const port of container.ports ?? []) expect(port.hostPort).toBeUndefined()
          expect(container.resources.requests.cpu).toBeDefined()
          expect(container.resources.limits.memory).toBeDefined()
        }
        for (const volume of template.spec.volumes)
          expect(['emptyDir', 'configMap']).toEqual(expect.arrayContaining(Object.keys(volume).filter((key) => key !== 'name')))
      }
    })
  })

  test('has selectors that match their own pods and nobody else’s', () => {
    check((plan) => {
      const pods = podTemplates(plan)
      const matches = (selector: Record<string, string>, labels: Record<string, string>): boolean =>
        Object.entries(selector).every(([key, value]) => labels[key] === value)
      for (const owner of plan.objects as any[]) {
        const selector = owner.kind === 'Service' ? owner.spec.selector : (owner.spec?.selector?.matchLabels ?? undefined)
        if (!selector) continue
        const matched = pods.filter((pod) => matches(selector, pod.template.metadata.labels))
        expect(matched, `${owner.kind}/${owner.metadata.name}`).toHaveLength(1)
        if (owner.spec.template) expect(matched[0]?.owner).toBe(owner)
      }
    })
  })

  test('has autoscalers whose target is there and leaves its replicas to them', () => {
    check((plan) => {
      const targets = (plan.objects as any[]).filter((object) => object.kind === 'HorizontalPodAutoscaler')
      for (const { spec } of targets) {
        const target: any = plan.objects.find(
          (object) => object.kind === spec.scaleTargetRef.kind && object.metadata.name === spec.scaleTargetRef.name,
        )
        expect(target.spec.replicas).toBeUndefined()
        expect(spec.minReplicas).toBeLessThan(spec.maxReplicas)
      }
      for (const object of plan.objects as any[]) {
        const isScaled = targets.some(
          ({ spec }) => spec.scaleTargetRef.kind === object.kind && spec.scaleTargetRef.name === object.metadata.name,
        )
        if (['Deployment', 'StatefulSet'].includes(object.kind) && !isScaled) expect(object.spec.replicas).toBeGreaterThan(0)
      }
    })
  })

  test('defines each variable once, and before $(…) uses it', () => {
    check((plan) => {
      for (const { template } of podTemplates(plan)) {
        const defined = new Set<string>()
        for (const entry of template.spec.containers[0].env) {
          const text: string = (entry.value ?? '').replaceAll('$$', '')
          for (const [, used] of text.matchAll(/\$\(([^)]+)\)/g)) expect(defined).toContain(used)
          expect(defined).not.toContain(entry.name)
          defined.add(entry.name)
        }
      }
    })
  })

  test('has names and label values that Kubernetes takes', () => {
    const limits: Record<string, number> = { CronJob: 52, StatefulSet: 52 }
    check((plan) => {
      const seen = new Set<string>()
      for (const object of plan.objects) {
        const id = `${object.kind}/${object.metadata.name}`
        expect(seen).not.toContain(id)
        seen.add(id)
        expect(object.metadata.name).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
        expect(object.metadata.name.length, id).toBeLessThanOrEqual(limits[object.kind] ?? 63)
      }
      const labels = [
        ...plan.objects.map((object) => object.metadata.labels ?? {}),
        ...podTemplates(plan).map(({ template }) => template.metadata.labels),
      ]
      for (const value of labels.flatMap((set) => Object.values(set as Record<string, string>)))
        expect(value).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
      for (const { template } of podTemplates(plan)) {
        for (const port of template.spec.containers[0].ports ?? []) expect(port.name.length).toBeLessThanOrEqual(15)
      }
    })
  })

  test('is plain data that survives JSON', () => {
    check((plan) => expect(JSON.parse(JSON.stringify(plan))).toEqual(plan))
  })

  test('has facts with unique ids, a reason wherever something differs, and a score from 0 to 100', () => {
    fc.assert(
      fc.property(model, fc.constantFrom('kind' as const, 'process' as const), (of, runtime) => {
        const production = buildPlan(of)
        const facts = parityFacts(production, localise(production, runtime, of))
        expect(new Set(facts.map((fact) => fact.id)).size).toBe(facts.length)
        for (const fact of facts) {
          if (fact.verdict === 'same') continue
          expect(fact.why, fact.id).toBeTruthy()
          expect(fact.why, fact.id).not.toBe('no substitution explains it')
        }
        const score = scoreParity(facts)
        expect(score).toBeGreaterThan(0)
        expect(score).toBeLessThan(100)
      }),
      { numRuns: 60 },
    )
  })
})

/** Kubernetes' own expansion, as its third_party/forked/golang/expansion does it. */
function expand(input: string, values: Record<string, string>): string {
  return input.replaceAll(/\$\$|\$\(([^)]*)\)/g, (whole, name?: string) => (whole === '$$' ? '$' : (values[name ?? ''] ?? whole)))
}

test('escaped text comes out of Kubernetes’ expansion as it was, with a reference behind it expanded', () => {
  const text = fc.array(fc.constantFrom('$', '(', ')', 'A', ' '), { maxLength: 12 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, (value) => {
      expect(expand(escapeExpansion(value), { A: 'x' })).toBe(value)
      expect(expand(`${escapeExpansion(value)}$(A)`, { A: 'x' })).toBe(`${value}x`)
    }),
  )
})
