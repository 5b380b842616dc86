import type { Plan } from '../../src/plan/types.ts'

/** An object of a Plan, loosely typed as tests look at any member of it. */
export function findObject(plan: Plan, kind: string, name: string): any {
  return plan.objects.find((object) => object.kind === kind && object.metadata.name === name)
}
