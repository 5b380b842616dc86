import { ShivError } from '../core/errors.ts'
import type { Patch, Service } from '../spec/model.ts'
import { pointerSteps } from './pointer.ts'
import type { KubeObject, Plan } from './types.ts'

/** Whether an object that is not in this Plan is one of the other form of it (production's or the local one), so that its patch rests here. */
export type IsElsewhere = (kind: string, name: string) => boolean

/**
 * The Plan with every service's patches applied, in order, and recorded. Throws PLAN_PATCH_FAILED, with the place in
 * service.yaml, for a patch whose object or path is not there.
 */
export function applyPatches(plan: Plan, services: Service[], isElsewhere: IsElsewhere): Plan {
  if (services.every((service) => service.patches.length === 0)) return plan
  // Not structuredClone: it keeps parts that two objects share shared, and a patch means one of them.
  const objects = JSON.parse(JSON.stringify(plan.objects)) as KubeObject[]
  const patches: Plan['patches'] = []
  for (const service of services) {
    for (const [index, patch] of service.patches.entries()) {
      const name = patch.target.name ?? service.name
      const target = objects.find((object) => object.kind === patch.target.kind && object.metadata.name === name)
      if (!target) {
        if (isElsewhere(patch.target.kind, name)) continue
        throw failed(service, index, patch, `there is no ${patch.target.kind} ${name}`, hintForMissing(patch, objects))
      }
      applyOne(target, patch, (reason) => failed(service, index, patch, reason, `Look at the object: shiv plan -o yaml`))
      patches.push({ service: service.name, why: patch.why, target: `${patch.target.kind}/${name}`, path: patch.path })
    }
  }
  return { ...plan, objects, patches }
}

function applyOne(target: KubeObject, patch: Patch, fail: (reason: string) => ShivError): void {
  const steps = patch.path.startsWith('/') ? pointerSteps(patch.path) : []
  const last = steps.pop()
  if (last === undefined) throw fail(`the path must start with a slash and name something inside the object: ${patch.path}`)
  let place: unknown = target
  for (const step of steps) {
    if (!isContainer(place) || !Object.hasOwn(place, step)) throw fail(`it has nothing at ${patch.path} (no ${step})`)
    place = (place as Record<string, unknown>)[step]
  }
  if (!isContainer(place)) throw fail(`it has nothing at ${patch.path}`)
  if (patch.op !== 'add' && !Object.hasOwn(place, last)) throw fail(`it has nothing at ${patch.path} to ${patch.op}`)
  if (Array.isArray(place)) patchList(place, last, patch, fail)
  else if (patch.op === 'remove') delete (place as Record<string, unknown>)[last]
  else (place as Record<string, unknown>)[last] = structuredClone(patch.value)
}

function patchList(list: unknown[], step: string, patch: Patch, fail: (reason: string) => ShivError): void {
  const index = step === '-' ? list.length : Number(step)
  if (!Number.isInteger(index) || index < 0 || index > list.length)
    throw fail(`${step} is no place in the list of ${list.length}`)
  if (patch.op === 'remove') list.splice(index, 1)
  else list.splice(index, patch.op === 'add' ? 0 : 1, structuredClone(patch.value))
}

function isContainer(value: unknown): value is object {
  return value !== null && typeof value === 'object'
}

function hintForMissing(patch: Patch, objects: KubeObject[]): string {
  const same = objects.filter((object) => object.kind === patch.target.kind).map((object) => object.metadata.name)
  if (same.length > 0) return `Of that kind there are: ${same.join(', ')}`
  return `Kinds of this plan: ${[...new Set(objects.map((object) => object.kind))].join(', ')}`
}

function failed(service: Service, index: number, patch: Patch, reason: string, hint: string): ShivError {
  const message = `patch ${index + 1} of ${service.name} (${patch.why}) cannot be applied to ${patch.target.kind}: ${reason}`
  return new ShivError(message, {
    code: 'PLAN_PATCH_FAILED',
    exit: 2,
    hint,
    faults: [{ code: 'PLAN_PATCH_FAILED', message, hint, ...patch.position, ...(!patch.position && service.position) }],
  })
}
