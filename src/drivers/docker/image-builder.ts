import type { ImageBuilder } from '../../engine/ports.ts'
import { shivHome } from '../../core/paths.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import { build } from './build.ts'
import { collectHostImages, ownerLabel, type Collection } from './collect.ts'
import { connectEngine, orMissing, type Engine } from './engine.ts'
import { readInputs } from './inputs.ts'
import { probeDocker, type DockerProbe } from './probe.ts'

export interface DockerImageBuilder extends ImageBuilder {
  /** Removes images of ours on the host that `keep` does not name; never anyone else's. Returns what was removed. */
  collectImages(options: Collection): Promise<string[]>
  probeDocker(): Promise<DockerProbe>
}

/** Files that change while they are built make another image; after this many the last one stands. */
const rounds = 3

/**
 * Builds images with the Docker engine, named by the hash of their inputs. `home` holds the file hashes (default: shiv's home);
 * `environment` is for calls that carry none.
 */
export function createImageBuilder(options: { home?: string; environment?: NodeJS.ProcessEnv } = {}): DockerImageBuilder {
  const home = options.home ?? shivHome()
  const environment = options.environment ?? process.env
  return {
    async ensure(image, call) {
      const { source } = image
      if (source.kind === 'reference') return { reference: source.image, cached: true }
      makePrivateFolder(home)
      const engine = await connectEngine(call.environment)
      const read = () => readInputs(image.service, source, { home, imageId: (name) => imageId(engine, name) })
      let inputs = await read()
      for (let round = 1; ; round += 1) {
        const reference = `${image.repository}:${inputs.tag}`
        const isWanted = call.fresh === true && round === 1
        if (!isWanted && (await imageId(engine, reference)) !== undefined)
          return { reference, cached: round === 1, context: inputs.size }
        call.signal.throwIfAborted()
        const steps = await build({
          ...call,
          service: image.service,
          source,
          inputs,
          reference,
          home,
          fresh: isWanted,
          labels: {
            [ownerLabel]: image.repository.split('/').at(-2) ?? image.repository,
            'dev.shiv.service': image.service,
            'dev.shiv.inputs': inputs.hash,
          },
        })
        const after = await read()
        if (after.hash === inputs.hash || round === rounds) return { reference, cached: false, steps, context: inputs.size }
        inputs = after
      }
    },
    async name(image, call) {
      const { source } = image
      if (source.kind === 'reference') return { reference: source.image, isBuilt: true }
      makePrivateFolder(home)
      const engine = await connectEngine(call.environment)
      const { tag } = await readInputs(image.service, source, { home, imageId: (name) => imageId(engine, name) })
      const reference = `${image.repository}:${tag}`
      return { reference, isBuilt: (await imageId(engine, reference)) !== undefined }
    },
    async collectImages(collection) {
      return collectHostImages(await connectEngine(environment), collection)
    },
    probeDocker: () => probeDocker(environment),
  }
}

async function imageId(engine: Engine, reference: string): Promise<string | undefined> {
  return (await orMissing(engine.json<{ Id: string }>('GET', `/images/${reference}/json`)))?.Id
}
