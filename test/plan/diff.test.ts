import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { buildPlan } from '../../src/plan/build.ts'
import { diffPlans, planHash } from '../../src/plan/diff.ts'
import { renderManifests } from '../../src/plan/manifests.ts'
import { everything, fullModel, makeModel, userService } from './fixture.ts'

const plan = buildPlan(fullModel)

describe('diffPlans', () => {
  test('is empty for the same Plan', () => {
    expect(diffPlans(plan, buildPlan(fullModel)).isEmpty).toBe(true)
  })

  test('names changed objects and services with the places that changed', () => {
    const scaled = { ...userService, scaling: { minReplicas: 3, maxReplicas: 10, cpuTarget: 70 } }
    const diff = diffPlans(plan, buildPlan(makeModel([scaled, everything])))
    expect(diff.objects.changed).toEqual([
      { name: 'HorizontalPodAutoscaler/user-service', changes: [{ path: '/spec/minReplicas', op: 'replace', from: 2, to: 3 }] },
    ])
    expect(diff.services.changed).toEqual([
      { name: 'user-service', changes: [{ path: '/replicas/min', op: 'replace', from: 2, to: 3 }] },
    ])
    expect(diff.isEmpty).toBe(false)
  })

  test('names what comes and goes', () => {
    const diff = diffPlans(plan, buildPlan(makeModel([userService])))
    expect(diff.services.removed).toEqual(['orders'])
    expect(diff.databases.removed).toEqual(['order-db'])
    expect(diff.objects.removed).toContain('CronJob/orders-nightly')
    expect(diffPlans(buildPlan(makeModel([userService])), plan).services.added).toEqual(['orders'])
  })
})

describe('planHash', () => {
  test('does not change with a position or the order of keys', () => {
    const moved = { ...everything, position: { ...everything.position, line: 9 } }
    moved.env = Object.fromEntries(
      Object.entries(moved.env).map(([name, source]) => [name, { ...source, position: { file: '/x', line: 7, column: 1 } }]),
    )
    expect(planHash(buildPlan(makeModel([userService, moved])))).toBe(planHash(plan))
    expect(planHash(Object.fromEntries(Object.entries(plan).toReversed()) as unknown as typeof plan)).toBe(planHash(plan))
  })

  test('changes with a value', () => {
    const other = { ...userService, resources: { ...userService.resources, cpu: '200m' } }
    expect(planHash(buildPlan(makeModel([other, everything])))).not.toBe(planHash(plan))
  })
})

test('manifests are documents that read back as the objects, without anchors', () => {
  const text = renderManifests(plan.objects)
  expect(parseAllDocuments(text).map((document) => document.toJS())).toEqual(JSON.parse(JSON.stringify(plan.objects)))
  expect(text).not.toMatch(/[&*]a\d/)
})
