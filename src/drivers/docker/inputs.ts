import { createHash } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { ImagePlan } from '../../plan/types.ts'
import { baseImages } from './base-images.ts'
import { listContext, type ContextEntry } from './context-files.ts'
import { openHashCache } from './hash-cache.ts'
import { readIgnoreRules } from './ignore.ts'

/** Raised when the same inputs would make another image. */
const scheme = 1

export type BuildSource = Extract<ImagePlan['source'], { kind: 'build' }>

/** Everything that decides what an image holds, and the name that follows from it. */
export interface BuildInputs {
  /** The context folder, links resolved. */
  context: string
  dockerfile: string
  /** Lines of the .dockerignore that applies. */
  ignore: string[]
  /** 64 hex digits. */
  hash: string
  /** The first 12 of them. */
  tag: string
  /** Bytes of the context's files, and its largest entries. */
  size: { bytes: number; largest: { path: string; bytes: number }[] }
}

/**
 * Reads a build's inputs and hashes them: scheme, Dockerfile, arguments, target, ids of base images as the engine knows them, and
 * name, mode and bytes of every file of the context. Throws DOCKERFILE_MISSING, BUILD_CONTEXT_MISSING or BUILD_LINK_OUTSIDE.
 */
export async function readInputs(
  service: string,
  source: BuildSource,
  options: { home: string; imageId(reference: string): Promise<string | undefined> },
): Promise<BuildInputs> {
  const context = await contextOf(service, source)
  const path = 'path' in source.dockerfile ? resolve(context, source.dockerfile.path) : undefined
  const dockerfile = 'text' in source.dockerfile ? source.dockerfile.text : await readDockerfile(service, path ?? '')
  const rules = await readIgnoreRules(context, path, source.ignore)
  const bases = baseImages(dockerfile, source.args)
  const [entries, ids, cache] = await Promise.all([
    listContext(context, rules),
    Promise.all(bases.map(async (image) => [image, (await options.imageId(image)) ?? ''])),
    openHashCache(options.home, context),
  ])
  const digest = createHash('sha256')
  const args = Object.entries(source.args).sort(([a], [b]) => (a < b ? -1 : 1))
  digest.update(JSON.stringify([scheme, dockerfile, source.target ?? '', args, ids]))
  for (const line of await hashEntries(entries, (entry) => cache.hash(entry))) digest.update(line)
  await cache.save()
  const hash = digest.digest('hex')
  return { context, dockerfile, ignore: rules.lines, hash, tag: hash.slice(0, 12), size: sizeOf(entries) }
}

/** What stands at the top of the context, with all that is below. */
function sizeOf(entries: ContextEntry[]): BuildInputs['size'] {
  const byTop = new Map<string, number>()
  for (const { path, kind, size } of entries) {
    if (kind !== 'file') continue
    const top = path.split('/', 1)[0] ?? path
    byTop.set(top, (byTop.get(top) ?? 0) + size)
  }
  const sizes = [...byTop].map(([path, bytes]) => ({ path, bytes }))
  const largest = sizes.toSorted((a, b) => b.bytes - a.bytes).slice(0, 5)
  return { bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0), largest }
}

async function hashEntries(entries: ContextEntry[], hashFile: (entry: ContextEntry) => Promise<string>): Promise<string[]> {
  const lines = Array.from<string>({ length: entries.length })
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < entries.length; index = next++) {
      const entry = entries[index]
      if (entry === undefined) return
      const content = entry.kind === 'file' ? await hashFile(entry).catch(goneAsEmpty) : (entry.target ?? '')
      lines[index] = `\n${JSON.stringify([entry.path, entry.kind, entry.kind === 'link' ? 0 : entry.mode, content])}`
    }
  }
  await Promise.all(Array.from({ length: 8 }, work))
  return lines
}

/** A file that vanished while it was read: the inputs are read again after the build, and then differ. */
function goneAsEmpty(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
  throw error
}

async function contextOf(service: string, source: BuildSource): Promise<string> {
  try {
    return await realpath(source.context)
  } catch (error) {
    throw new ShivError(`The build folder of ${service}, ${source.context}, is not there.`, {
      code: 'BUILD_CONTEXT_MISSING',
      exit: 2,
      hint: 'set build.context in service.yaml to a folder that exists',
      cause: error,
    })
  }
}

async function readDockerfile(service: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new ShivError(`The Dockerfile of ${service}, ${path}, is not there.`, {
      code: 'DOCKERFILE_MISSING',
      exit: 2,
      hint: 'set build.dockerfile in service.yaml to the right path, or leave build out to use the language preset',
      cause: error,
    })
  }
}
