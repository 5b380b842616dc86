import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import type { BuildContainers, ContainerBuild } from '../../engine/reload/build-step.ts'
import { ownerLabel } from './collect.ts'
import { EngineError, connectEngine, orMissing, readText, type Engine } from './engine.ts'
import { runInContainer } from './exec.ts'

const CACHE = '/shiv-cache'
const WORKSPACE_LABEL = 'dev.shiv.build-container'
const LEAVING_MS = 100
const LEAVING_TURNS = 100
/** Lines of output that are kept, from the end. */
const KEPT = 200

/**
 * Builds in containers of tool images, one for each workspace and image, which wait between builds. The workspace is in it at its own path and cannot
 * be written; the folder for artefacts can. Downloads and compiled parts are kept in `home`, for the next container too. Nothing in it is root.
 */
export function createBuildContainers(options: { home: string }): BuildContainers {
  const starting = new Map<string, Promise<string>>()
  return {
    async run(build) {
      const engine = await connectEngine(build.environment)
      const name = nameOf(build)
      const start = starting.get(name) ?? ensureSoon(engine, name, build, options.home)
      starting.set(name, start)
      const id = await start.finally(() => starting.delete(name))
      return runIn(engine, id, build)
    },
    async end(workspace, environment) {
      const engine = await connectEngine(environment)
      const filters = encodeURIComponent(JSON.stringify({ label: [`${WORKSPACE_LABEL}=${workspace}`] }))
      const found = await engine.json<{ Id: string }[]>('GET', `/containers/json?all=true&filters=${filters}`)
      await Promise.all(found.map(({ Id }) => remove(engine, Id)))
    },
  }
}

/** A build that is given up ends with its container: the engine has no way to end what was started in one. */
async function runIn(engine: Engine, id: string, build: ContainerBuild): Promise<{ code: number; lines: string[] }> {
  const { argv, cwd, env, signal } = build
  const end = () => void remove(engine, id).catch(() => undefined) // whoever gives up waits for nothing
  signal.addEventListener('abort', end, { once: true })
  try {
    const { code, stdout, stderr } = await runInContainer(engine, id, argv, { signal, cwd, env })
    return { code, lines: `${stdout}\n${stderr}`.split('\n').slice(-KEPT) }
  } finally {
    signal.removeEventListener('abort', end)
  }
}

/** A container that is on its way out holds its name a little longer. */
async function ensureSoon(engine: Engine, name: string, build: ContainerBuild, home: string): Promise<string> {
  for (let turn = 0; ; turn++) {
    try {
      return await ensure(engine, name, build, home)
    } catch (error) {
      if (!(error instanceof EngineError && error.status === 409) || turn === LEAVING_TURNS) throw error
      await delay(LEAVING_MS, undefined, { signal: build.signal })
    }
  }
}

/** The id of a container that runs. */
async function ensure(engine: Engine, name: string, build: ContainerBuild, home: string): Promise<string> {
  const found = await orMissing(engine.json<{ Id: string; State: { Running: boolean } }>('GET', `/containers/${name}/json`))
  if (found?.State.Running) return found.Id
  if (found) await remove(engine, found.Id)
  await ensureImage(engine, build)
  const cache = join(home, 'build-cache', hashOf(build.image))
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const { Id } = await engine.json<{ Id: string }>('POST', `/containers/create?name=${name}`, {
    signal: build.signal,
    body: {
      Image: build.image,
      Entrypoint: ['sleep'],
      Cmd: ['infinity'],
      User: `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`,
      Env: [`HOME=${CACHE}`, `GOPATH=${CACHE}/go`],
      Labels: { [WORKSPACE_LABEL]: build.workspace, [ownerLabel]: 'build' },
      HostConfig: {
        Binds: [
          `${build.workspace}:${build.workspace}:ro`,
          `${build.out}:${build.out}`,
          `${cache}:${CACHE}`,
          ...(build.mounted ? [`${build.mounted.from}:${build.mounted.to}`] : []),
        ],
        Init: true,
        AutoRemove: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
      },
    },
  })
  await engine.json('POST', `/containers/${Id}/start`, { signal: build.signal })
  return Id
}

async function ensureImage(engine: Engine, { image, signal }: ContainerBuild): Promise<void> {
  if (await orMissing(engine.json('GET', `/images/${image}/json`, { signal }))) return
  const colon = image.lastIndexOf(':')
  const [from, tag] = colon > image.lastIndexOf('/') ? [image.slice(0, colon), image.slice(colon + 1)] : [image, 'latest']
  const query = `fromImage=${encodeURIComponent(from)}&tag=${encodeURIComponent(tag)}`
  const trouble = await engine
    .stream('POST', `/images/create?${query}`, { signal })
    .then(failureOf, (error: unknown) => (error instanceof EngineError ? error.message : Promise.reject(error as Error)))
  if (trouble === undefined) return
  throw new ShivError(`the image ${image}, in which this service is built, cannot be had: ${trouble}`, {
    code: 'DOCKER_PULL_FAILED',
    hint: `docker pull ${image}`,
  })
}

/** The engine tells of a pull's failure in its last line, with status 200. */
async function failureOf(stream: IncomingMessage): Promise<string | undefined> {
  const lines = (await readText(stream)).trim().split('\n')
  const last = JSON.parse(lines.at(-1) || '{}') as { error?: string }
  return last.error
}

async function remove(engine: Engine, id: string): Promise<void> {
  await orMissing(
    engine.json('DELETE', `/containers/${id}?force=true`).catch((error: unknown) => {
      // Another one is at it.
      if (!(error instanceof EngineError && error.status === 409)) throw error
    }),
  )
}

function nameOf({ image, workspace, out, mounted }: ContainerBuild): string {
  return `shiv-build-${hashOf([image, workspace, out, mounted?.to ?? ''].join('\0'))}`
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
