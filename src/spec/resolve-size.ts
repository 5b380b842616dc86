import type { Draft } from './draft.ts'
import type { PlatformPreset, Resources, Scaling } from './model.ts'
import { parseQuantity } from './quantity.ts'

/** The service's own numbers over the platform's; a default never contradicts what was written. */
export function resolveScaling({ data }: Draft, platform: PlatformPreset): Scaling {
  const { min_replicas: min, max_replicas: max, cpu_target: target } = data.scaling ?? {}
  const minReplicas = min ?? Math.min(platform.scaling.minReplicas, max ?? Number.POSITIVE_INFINITY)
  const maxReplicas = max ?? Math.max(platform.scaling.maxReplicas, minReplicas)
  const scaled = maxReplicas > minReplicas ? platform.scaling.cpuTarget : undefined
  const cpuTarget = target === undefined ? scaled : Number.parseInt(target, 10)
  return { minReplicas, maxReplicas, ...(cpuTarget !== undefined && { cpuTarget }) }
}

/** Requests and limits; a limit that nobody wrote rises to the written request, and a default request sinks to the written limit. */
export function resolveResources(draft: Draft, platform: PlatformPreset): Resources {
  const own = (name: string) => draft.text(['resources', name])
  const [cpu, cpuLimit] = requestAndLimit(own('cpu'), own('cpu_limit'), platform.resources.cpu, platform.resources.cpuLimit)
  const [memory, memoryLimit] = requestAndLimit(
    own('memory'),
    own('memory_limit'),
    platform.resources.memory,
    platform.resources.memoryLimit,
  )
  return { cpu, memory, ...(cpuLimit !== undefined && { cpuLimit }), memoryLimit: memoryLimit! }
}

function requestAndLimit(
  request: string | undefined,
  limit: string | undefined,
  defaultRequest: string,
  defaultLimit: string | undefined,
): [string, string | undefined] {
  const size = (text: string) => parseQuantity(text) ?? 0
  if (request !== undefined && limit !== undefined) return [request, limit]
  if (request !== undefined)
    return [request, defaultLimit !== undefined && size(defaultLimit) < size(request) ? request : defaultLimit]
  if (limit !== undefined) return [size(defaultRequest) > size(limit) ? limit : defaultRequest, limit]
  return [defaultRequest, defaultLimit]
}
