import { didYouMean } from '../core/suggest.ts'
import type { RemoteEntry } from './dependency-schema.ts'
import type { Draft } from './draft.ts'
import { isLoopback, readHostPort, readServiceName, readUrl } from './remote-address.ts'
import type { AddressFault } from './remote-address.ts'
import { chooseEnvironment, checkEnvironment } from './remote-environment.ts'
import type { Remote, RemoteCredentials, RemoteLocal, RemoteTarget } from './remote.ts'
import type { Path } from './tree.ts'
import { wordsOf } from './words.ts'

type Resolved = Pick<Remote, 'protocol' | 'target' | 'local' | 'inCluster' | 'production'>

/** Where a dependency leads, in every mode and in production. What is wrong goes to the draft's faults; undefined when it leads nowhere. */
export function resolveTarget(draft: Draft, path: Path, name: string, entry: RemoteEntry): Resolved | undefined {
  const found = ownTarget(draft, path, name, entry)
  if (found === undefined) return undefined
  const scheme = found.protocol === 'http' || found.protocol === 'grpc' ? 'url' : 'address'
  const local = entry.local === undefined ? undefined : localOf(draft, path, entry.local, entry.database !== undefined, scheme)
  const production = entry.production === undefined ? undefined : productionOf(draft, path, entry.production, scheme)
  return { ...found, ...(local !== undefined && { local }), ...(production !== undefined && { production }) }
}

function ownTarget(
  draft: Draft,
  path: Path,
  name: string,
  entry: RemoteEntry,
): Omit<Resolved, 'local' | 'production'> | undefined {
  if (entry.service !== undefined) return serviceTarget(draft, path, entry.service, entry)
  if (entry.database !== undefined) return databaseTarget(draft, path, name, entry.database, entry)
  const kind = entry.http !== undefined ? 'http' : entry.grpc !== undefined ? 'grpc' : 'tcp'
  const url = addressAt(draft, [...path, kind], entry[kind] ?? '', kind === 'tcp' ? 'address' : 'url')
  if (url === undefined) return undefined
  const { hostname, port } = new URL(url)
  const nearest = chooseEnvironment(draft, path, undefined, hostname)
  // What is under production's domain is production's, whatever is written.
  const isProduction = nearest !== undefined && draft.environments[nearest]?.isProduction === true
  const environment = isProduction ? nearest : chooseEnvironment(draft, path, entry.env, hostname)
  if (environment !== undefined) checkEnvironment(draft, path, kind, environment, { entry, needsContext: false })
  const { ca, servername } = entry.tls ?? {}
  return {
    protocol: kind,
    target: {
      kind: 'url',
      url,
      ...(ca !== undefined && { ca }),
      ...(servername !== undefined && { servername }),
      ...(environment !== undefined && { environment }),
    },
    inCluster: { service: name, port: Number(port) || 80 },
  }
}

function serviceTarget(draft: Draft, path: Path, written: string, entry: RemoteEntry): Omit<Resolved, 'local'> | undefined {
  const at = [...path, 'service']
  const parts = readServiceName(written)
  if ('code' in parts) {
    draft.faultAtValue(at, parts)
    return undefined
  }
  const { service, namespace, port } = parts
  const protocol = entry.protocol ?? 'http'
  const number = Number(port)
  if (protocol !== 'http' && Number.isNaN(number)) {
    const hint = `write its number: ${service}${namespace === undefined ? '' : `.${namespace}`}:${protocol === 'grpc' ? 50_051 : 5672}`
    draft.faultAtValue(at, { code: 'SPEC_NO_PORT', message: `nothing says at which port "${service}" is called`, hint })
    return undefined
  }
  const environment = chooseEnvironment(draft, path, entry.env, undefined)
  if (!checkEnvironment(draft, path, 'service', environment, { entry, needsContext: true })) return undefined
  const { ca, servername } = entry.tls ?? {}
  return {
    protocol,
    target: {
      kind: 'service',
      service,
      namespace: namespace ?? draft.environments[environment]!.namespace ?? draft.workspaceName,
      ...(port !== undefined && { port }),
      environment,
      tls: entry.tls !== undefined,
      ...(ca !== undefined && { ca }),
      ...(servername !== undefined && { servername }),
    },
    inCluster: {
      service,
      ...(namespace !== undefined && { namespace }),
      port: Number.isNaN(number) ? (entry.tls === undefined ? 80 : 443) : number,
    },
  }
}

/** What a proxy has to understand of a database, by the scheme of its preset. */
const PROTOCOLS: Record<string, Remote['protocol']> = {
  postgres: 'postgres',
  postgresql: 'postgres',
  redis: 'redis',
}

function databaseTarget(
  draft: Draft,
  path: Path,
  name: string,
  database: string,
  entry: RemoteEntry,
): Omit<Resolved, 'local' | 'production'> | undefined {
  const { databases: presets, broken } = draft.presets
  const type = entry.type ?? ''
  const preset = presets.get(type)
  if (preset === undefined) {
    const hint = didYouMean(type, presets.keys())
    if (!broken.has(type))
      draft.faultAtValue([...path, 'type'], {
        code: 'SPEC_UNKNOWN_DATABASE',
        message: `there is no database preset "${type}"`,
        hint,
      })
    return undefined
  }
  const protocol = PROTOCOLS[preset.scheme]
  if (protocol === undefined) {
    draft.faultAtValue([...path, 'type'], {
      code: 'SPEC_UNGUARDED',
      message: `the proxy does not speak the protocol of a ${type}, so it could neither log in nor tell a read from a write`,
      hint: `name it by tcp: HOST:PORT with read_only: false, or use a ${type} of your own: databases: - ${type}: ${database}`,
    })
    return undefined
  }
  const environment = chooseEnvironment(draft, path, entry.env, undefined)
  if (!checkEnvironment(draft, path, 'database', environment, { entry, needsContext: true })) return undefined
  const namespace = draft.environments[environment]!.namespace ?? draft.workspaceName
  const target: RemoteTarget = {
    kind: 'database',
    database,
    type,
    namespace,
    environment,
    credentials: credentialsOf(entry, database),
  }
  return { protocol, target, inCluster: { service: name, port: preset.port } }
}

function credentialsOf({ credentials }: RemoteEntry, database: string): RemoteCredentials {
  // As shiv's own deployments name it.
  if (credentials === undefined) return { secret: `${database}-credentials` }
  const { secret, keys, env, command, user } = credentials
  if (secret !== undefined) {
    const named = Object.fromEntries(Object.entries(keys ?? {}).filter(([, key]) => key !== undefined))
    return { secret, ...(keys !== undefined && { keys: named }) }
  }
  const login = user === undefined ? {} : { user }
  return env === undefined ? { ...login, command: wordsOf(command!) } : { ...login, env }
}

/** A name of the workspace, or an address of this machine. Whether the name is there is asked when all services are known. */
function localOf(
  draft: Draft,
  path: Path,
  written: string,
  isDatabase: boolean,
  form: 'url' | 'address',
): RemoteLocal | undefined {
  if (/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(written)) return isDatabase ? { database: written } : { service: written }
  const at = [...path, 'local']
  const url = addressAt(draft, at, written, form)
  if (url === undefined || isLoopback(new URL(url).hostname)) return url === undefined ? undefined : { url }
  draft.faultAtValue(at, {
    code: 'SPEC_BAD_URL',
    message: '"local" is an address of this machine, and this is another one',
    hint: 'write it like http://localhost:3000, or the name of a service or database of the workspace',
  })
  return undefined
}

/** Kept as a URL: of `host:port` as `tcp://host:port`. */
function productionOf(draft: Draft, path: Path, written: string, form: 'url' | 'address'): string | undefined {
  return addressAt(draft, [...path, 'production'], written, form)
}

function addressAt(draft: Draft, path: Path, written: string, form: 'url' | 'address'): string | undefined {
  const read = form === 'url' ? readUrl(written) : asUrl(readHostPort(written))
  if (!('code' in read)) return read.url
  draft.faultAtValue(path, read)
  return undefined
}

function asUrl(read: { host: string; port: number } | AddressFault): { url: string } | AddressFault {
  if ('code' in read) return read
  return { url: `tcp://${read.host.includes(':') ? `[${read.host}]` : read.host}:${read.port}` }
}
