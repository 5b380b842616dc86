import { ShivError } from '../../core/errors.ts'
import type { ImagePlan } from '../../plan/types.ts'
import type { DeployCaller, DeployDrivers } from './ports.ts'
import type { ReleaseImage } from './release.ts'
import type { Stopwatch } from './spans.ts'

/** Where a service's image is, or would be; nothing was built for it. */
export interface FoundImage {
  /** By digest where the registry has it, else by the tag that would be built. */
  reference: string
  /** Absent where the registry does not have it. */
  digest?: string
  tag?: string
  /** Whether this machine has it. */
  isBuilt: boolean
}

/** An image on its way: what it is made of, and the repository that local runs build it into, so that both share what was built. */
export interface ImageJob {
  image: ImagePlan
  local: string
  caller: DeployCaller
}

/** Names the image by its content and looks for it in the registry. */
export async function findImage(drivers: DeployDrivers, { image, local, caller }: ImageJob): Promise<FoundImage> {
  if (image.source.kind === 'reference') return referenced(drivers, image.source.image, caller)
  const named = await drivers.images.name({ ...image, repository: local }, caller)
  const tag = tagOf(named.reference)
  const reference = `${image.repository}:${tag}`
  const digest = await drivers.registry.digest(reference, caller)
  if (digest === undefined) return { reference, tag, isBuilt: named.isBuilt }
  return { reference: `${image.repository}@${digest}`, digest, tag, isBuilt: named.isBuilt }
}

/** The image by digest, in the environment's registry: one that is there already is neither built nor sent. */
export async function provideImage(
  drivers: DeployDrivers,
  { image, local, caller }: ImageJob,
  found: FoundImage,
  watch: Stopwatch,
): Promise<ReleaseImage> {
  const { digest: there, reference, tag } = found
  if (there !== undefined) return { reference, digest: there, ...(tag !== undefined && { tag }), isBuilt: false, isPushed: false }
  const built = await watch.time('build', 'image', async (step) => {
    const call = { ...caller, progress: (text: string) => step.progress(text) }
    const result = await drivers.images.ensure({ ...image, repository: local }, call)
    step.note(result.cached ? 'built before' : tagOf(result.reference))
    return result
  })
  // What changed while it was built made it another image.
  const madeTag = tagOf(built.reference)
  const digest = await watch.time('push', 'push', async (step) => {
    const sent = await drivers.registry.push(built.reference, `${image.repository}:${madeTag}`, caller, (text) =>
      step.progress(text),
    )
    step.note(sent.slice(0, 19))
    return sent
  })
  return { reference: `${image.repository}@${digest}`, digest, tag: madeTag, isBuilt: !built.cached, isPushed: true }
}

async function referenced({ registry }: DeployDrivers, image: string, caller: DeployCaller): Promise<FoundImage> {
  const [name = image, written] = image.split('@')
  if (written !== undefined) return { reference: image, digest: written, isBuilt: true }
  const digest = await registry.digest(image, caller)
  if (digest === undefined) {
    throw new ShivError(`The image ${image} is not in its registry.`, {
      code: 'DEPLOY_IMAGE_MISSING',
      hint: `docker pull ${image} shows the same; correct build.image in service.yaml`,
    })
  }
  return { reference: `${withoutTag(name)}@${digest}`, digest, isBuilt: true }
}

function tagOf(reference: string): string {
  return reference.slice(reference.lastIndexOf(':') + 1)
}

function withoutTag(reference: string): string {
  const colon = reference.lastIndexOf(':')
  return colon > reference.lastIndexOf('/') ? reference.slice(0, colon) : reference
}
