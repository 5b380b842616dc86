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
      applyOne(target, patch, (reason, hint) => failed(service, index, patch, reason, hint))
      patches.push({ service: service.name, why: patch.why, target: `${patch.target.kind}/${name}`, path: patch.path })
    }
  }
  return { ...plan, objects, patches }
}

type Fail = (reason: string, hint: string) => ShivError

function applyOne(target: KubeObject, patch: Patch, fail: Fail): void {
  const steps = patch.path.startsWith('/') ? pointerSteps(patch.path) : []
  const last = steps.pop()
  if (last === undefined) {
    throw fail(`${patch.path} is no place inside the object`, 'A path is a JSON Pointer: /spec/template/spec/containers/0/image')
  }
  let place: unknown = target
  let walked = ''
  for (const step of steps) {
    if (!has(place, step)) throw nothingAt(patch, place, walked, fail)
    place = (place as Record<string, unknown>)[step]
    walked += `/${step}`
  }
  if (!isContainer(place) || (patch.op !== 'add' && !has(place, last))) throw nothingAt(patch, place, walked, fail)
  if (Array.isArray(place)) patchList(place, last, patch, fail)
  else if (patch.op === 'remove') delete (place as Record<string, unknown>)[last]
  else (place as Record<string, unknown>)[last] = structuredClone(patch.value)
}

/** Names what is there instead, as far as the path leads. */
function nothingAt(patch: Patch, place: unknown, walked: string, fail: Fail): ShivError {
  const where = walked === '' ? 'At its root' : `At ${walked}`
  const there = isContainer(place) ? `it has: ${Object.keys(place).join(', ')}` : `it is ${JSON.stringify(place)}`
  return fail(`it has nothing at ${patch.path} to ${patch.op === 'add' ? 'add to' : patch.op}`, `${where} ${there}`)
}

function has(place: unknown, step: string): boolean {
  return isContainer(place) && Object.hasOwn(place, step) && !(Array.isArray(place) && step === 'length')
}

function patchList(list: unknown[], step: string, patch: Patch, fail: Fail): void {
  const index = step === '-' ? list.length : Number(step)
  if (!Number.isInteger(index) || index < 0 || index > list.length)
    throw fail(`${step} is no place in the list of ${list.length}`, 'Count from 0, or use - for the end of the list.')
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
