import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { ShivError } from '../../core/errors.ts'
import type { RemotePlan, RemoteProtocol } from '../../plan/remote.ts'
import type { Upstream } from '../dependency-ports.ts'
import type { LiveState } from '../ports.ts'

/** What is known of the run that a local dependency leads into, asked when it is needed. */
export interface LocalWorld {
  /** Where a service answers on this machine. */
  serviceUrl(service: string): string | undefined
  database(name: string): LiveState['databases'][number] | undefined
}

/**
 * The way to what `mode: local` means: a service or database of the same run, or an address of this machine. A service's restarts and a
 * database's moves are followed. Throws DEPENDENCY_NO_LOCAL where nothing stands in for it.
 */
export function localUpstream(remote: RemotePlan, world: LocalWorld): Upstream {
  const { local, name, protocol } = remote
  if (local === undefined) {
    throw noLocal(
      `${name} has nothing local that stands in for it.`,
      `under ${name} in service.yaml name what does, a service or database of the workspace or an address: local: ${exampleOf(protocol)}`,
    )
  }
  if ('url' in local) return { url: new URL(local.url), label: `local (${local.url})` }
  if ('service' in local) {
    const { service } = local
    const at = world.serviceUrl(service)
    if (at === undefined)
      throw noLocal(`${name} is to lead to the service ${service}, which is not part of this run.`, `shiv start ${service}`)
    const port = new URL(at.includes('://') ? at : `tcp://${at}`).port
    return { url: new URL(`${schemeOf(protocol)}://localhost:${port}`), label: `local (${service})` }
  }
  const { database } = local
  const find = () => {
    const found = world.database(database)
    if (found) return found
    throw noLocal(`${name} is to lead to the database ${database}, which does not run.`, 'shiv start')
  }
  return {
    url: new URL(`${schemeOf(protocol)}://${database}`),
    label: `local (${database})`,
    connect: async (signal) => dial(find(), signal),
    credentials: async () => credentialsIn(find().url),
  }
}

function exampleOf(protocol: RemoteProtocol): string {
  if (protocol === 'postgres') return 'localhost:5432'
  if (protocol === 'redis') return 'localhost:6379'
  return protocol === 'tcp' ? 'localhost:5672' : 'http://localhost:3000'
}

function schemeOf(protocol: RemoteProtocol): string {
  return protocol === 'grpc' ? 'http' : protocol
}

function dial({ host, port }: { host: string; port: number }, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true, signal })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.removeListener('error', reject)
      resolve(socket)
    })
  })
}

function credentialsIn(text: string): { user: string; password: string; database?: string } {
  const { username, password, pathname } = new URL(text)
  const database = decodeURIComponent(pathname.slice(1))
  return { user: decodeURIComponent(username), password: decodeURIComponent(password), ...(database !== '' && { database }) }
}

function noLocal(message: string, hint: string): ShivError {
  return new ShivError(message, { code: 'DEPENDENCY_NO_LOCAL', exit: 2, hint })
}
