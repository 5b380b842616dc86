import { ShivError } from '../../core/errors.ts'
import type { ImagePlan } from '../../plan/types.ts'
import type { DeployCaller, DeployDrivers } from './ports.ts'
import type { ReleaseImage } from './release.ts'
import type { Stopwatch } from './spans.ts'

/** A builder may be asked for a name without a build. */
export interface NamedImage {
  /** With its content tag. */
  reference: string
  isBuilt: boolean
}

/**
 * The image of a service by digest, in the environment's registry: one that is there already is neither built nor sent. `local` is the repository that local runs
 * build into, so that both share what was built.
 */
export async function provideImage(
  drivers: DeployDrivers,
  image: ImagePlan,
  local: string,
  options: { caller: DeployCaller; watch: Stopwatch; building(): void },
): Promise<ReleaseImage> {
  const { caller, watch } = options
  if (image.source.kind === 'reference') return referenced(drivers, image.source.image, caller)
  const here = { ...image, repository: local }
  const call = { environment: caller.environment, signal: caller.signal, progress() {} }
  const named = await drivers.images.name(here, call)
  const tag = tagOf(named.reference)
  const reference = `${image.repository}:${tag}`
  const there = await drivers.registry.digest(reference, caller)
  if (there !== undefined)
    return { reference: `${image.repository}@${there}`, digest: there, tag, isBuilt: false, isPushed: false }
  options.building()
  const built = await watch.time('build', 'image', async (step) => {
    const result = await drivers.images.ensure(here, { ...call, progress: (text) => step.progress(text) })
    step.note(result.cached ? 'built before' : tagOf(result.reference))
    return result
  })
  // What changed while it was built made it another image.
  const target = `${image.repository}:${tagOf(built.reference)}`
  const digest = await watch.time('push', 'push', async (step) => {
    const sent = await drivers.registry.push(built.reference, target, caller, (text) => step.progress(text))
    step.note(sent.slice(0, 19))
    return sent
  })
  return {
    reference: `${image.repository}@${digest}`,
    digest,
    tag: tagOf(built.reference),
    isBuilt: !built.cached,
    isPushed: true,
  }
}

/** What a dry run shows: by digest where the registry has it, else by the tag that would be built. */
export async function foreseeImage(
  drivers: DeployDrivers,
  image: ImagePlan,
  local: string,
  caller: DeployCaller,
): Promise<{ reference: string; wouldBuild: boolean; wouldPush: boolean }> {
  if (image.source.kind === 'reference') {
    return { reference: (await referenced(drivers, image.source.image, caller)).reference, wouldBuild: false, wouldPush: false }
  }
  const call = { environment: caller.environment, signal: caller.signal, progress() {} }
  const named = await drivers.images.name({ ...image, repository: local }, call)
  const reference = `${image.repository}:${tagOf(named.reference)}`
  const digest = await drivers.registry.digest(reference, caller)
  if (digest === undefined) return { reference, wouldBuild: !named.isBuilt, wouldPush: true }
  return { reference: `${image.repository}@${digest}`, wouldBuild: false, wouldPush: false }
}

async function referenced({ registry }: DeployDrivers, image: string, caller: DeployCaller): Promise<ReleaseImage> {
  const [name = image, written] = image.split('@')
  if (written !== undefined) return { reference: image, digest: written, isBuilt: false, isPushed: false }
  const digest = await registry.digest(image, caller)
  if (digest === undefined) {
    throw new ShivError(`The image ${image} is not in its registry.`, {
      code: 'DEPLOY_IMAGE_MISSING',
      hint: `docker pull ${image} shows the same; correct build.image in service.yaml`,
    })
  }
  return { reference: `${withoutTag(name)}@${digest}`, digest, isBuilt: false, isPushed: false }
}

function tagOf(reference: string): string {
  return reference.slice(reference.lastIndexOf(':') + 1)
}

function withoutTag(reference: string): string {
  const colon = reference.lastIndexOf(':')
  return colon > reference.lastIndexOf('/') ? reference.slice(0, colon) : reference
}
