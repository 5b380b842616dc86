import { resolve } from 'node:path'
import type { LanguagePreset, Service } from '../spec/model.ts'
import type { ReloadPolicy } from '../spec/reload-policy.ts'

/** Places of a container that are something else already. */
const TAKEN = new Set(['/', '/tmp', '/shiv', '/dev', '/proc', '/sys', '/etc'])

/** Whether a rule of the policy changes what is inside a running container. */
export function goesInPlace(policy: ReloadPolicy): boolean {
  return policy.rules.some((rule) => rule.do === 'sync' || rule.do === 'build' || rule.do === 'install')
}

/** Why a pod of the service cannot take changes in place, and what a save asks for then; undefined when it can. */
export function obstacleOf(service: Service, language: LanguagePreset, policy: ReloadPolicy): ReloadPolicy['obstacle'] {
  const { build } = service
  if (build.kind === 'image') return { do: 'ignore', why: `its image ${build.image} is not built here` }
  const image = (why: string) => ({ do: 'image' as const, why })
  if (build.kind === 'preset' && resolve(service.root, build.context) !== service.root)
    return image("its image is built from another folder than the service's own")
  const { workdir } = policy
  if (workdir === undefined) return image('only its Dockerfile knows the folder of its code: write reload: { workdir: /app }')
  if (TAKEN.has(workdir) || service.volumes.some((volume) => volume.path === workdir))
    return image(`the folder of its code, ${workdir}, is something else in a container`)
  const isCommandKnown = service.command !== undefined || (build.kind === 'preset' && language.build.command.length > 0)
  if (!isCommandKnown) return image('only its image knows its command: write command: [...] in service.yaml')
  return undefined
}
