import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ShivError } from '../../core/errors.ts'

/** Where a Docker engine listens. */
export type EngineAddress = { socketPath: string } | { host: string; port: number }

/**
 * The engine that the user's `docker` would talk to: `DOCKER_HOST`, else the context of `DOCKER_CONTEXT` or of Docker's own
 * configuration, else the default socket. Throws DOCKER_ADDRESS_UNSUPPORTED for one that is reached by ssh or TLS.
 */
export async function findEngineAddress(environment: NodeJS.ProcessEnv): Promise<EngineAddress> {
  const host = environment['DOCKER_HOST'] || (await hostOfContext(environment))
  if (!host) return { socketPath: '/var/run/docker.sock' }
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) }
  if (host.startsWith('npipe://')) return { socketPath: host.slice('npipe://'.length).replaceAll('/', '\\') }
  if (host.startsWith('tcp://') && !environment['DOCKER_TLS_VERIFY']) {
    const url = new URL(host)
    return { host: url.hostname, port: Number(url.port || 2375) }
  }
  throw new ShivError(`Docker is set to ${host.replace(/\/\/[^@/]*@/, '//')}, which shiv cannot reach.`, {
    code: 'DOCKER_ADDRESS_UNSUPPORTED',
    exit: 3,
    hint: 'use an engine on this machine: unset DOCKER_HOST; docker context use default',
  })
}

async function hostOfContext(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const config = environment['DOCKER_CONFIG'] || join(environment['HOME'] || homedir(), '.docker')
  const name =
    environment['DOCKER_CONTEXT'] || (await readJson<{ currentContext?: string }>(join(config, 'config.json')))?.currentContext
  if (!name || name === 'default') return undefined
  const id = createHash('sha256').update(name).digest('hex')
  const meta = await readJson<{ Endpoints?: { docker?: { Host?: string } } }>(join(config, 'contexts', 'meta', id, 'meta.json'))
  return meta?.Endpoints?.docker?.Host
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch {
    return undefined // absent or unreadable: the docker CLI then falls back to the default socket as well
  }
}
