import type { Model, Service } from '../spec/model.ts'
import type { Remote } from '../spec/remote.ts'
import { credentialsSecret, shortName } from './names.ts'
import { aliasesOf } from './remote-aliases.ts'
import { hostIn, remoteValues } from './remote-values.ts'
import type { RemoteEnvironment, RemotePlan } from './remote.ts'
import { expandTemplate } from './template.ts'

interface Address {
  url: string
  host: string
  port: string
}

const SECURE = 'https://${host}:${port}'

/** Whose addresses services get: production's own, or those that lead to the proxy. */
export type RemoteForm = 'production' | 'local'

/** What the services call outside of the workspace, each once. The spec room has seen to it that all of them mean the same by a name. */
export function remotesOf(services: Service[], model: Model, form: RemoteForm, namespace: string): RemotePlan[] {
  const plans = new Map<string, RemotePlan>()
  for (const service of services) {
    for (const remote of service.remotes) {
      const known = plans.get(remote.name)
      if (known) known.users.push(service.name)
      else plans.set(remote.name, remotePlan(remote, service, model, form, namespace))
    }
  }
  return [...plans.values()]
}

/** Every other environment where something outside is called: also those that must not be reached by mistake. */
export function remoteEnvironmentsOf(remotes: RemotePlan[], model: Model): RemoteEnvironment[] {
  if (remotes.length === 0) return []
  return Object.values(model.environments)
    .filter(({ name }) => name !== 'local')
    .map(({ registry: _registry, ...environment }) => environment)
}

function remotePlan(remote: Remote, service: Service, model: Model, form: RemoteForm, namespace: string): RemotePlan {
  const { position: _position, inCluster, production: elsewhere, ...rest } = remote
  const urlTemplate = urlTemplateOf(remote, model)
  const isTaken = isNameTaken(remote, model)
  const production = productionAddress(remote, model, elsewhere)
  const tls = speaksTls(remote, production.url)
  const place = {
    namespace: inCluster.namespace ?? namespace,
    service:
      isTaken && form === 'local' && inCluster.namespace === undefined
        ? shortName(`${inCluster.service}-remote`)
        : inCluster.service,
    port: inCluster.port,
    tls,
    ...(tls && Number(production.port) !== inCluster.port && { tlsPort: Number(production.port) }),
  }
  const plan: RemotePlan = {
    ...rest,
    users: [service.name],
    inCluster: place,
    aliases: aliasesOf(remote, model),
    urlTemplate,
    production: production.url,
  }
  if (remote.target.kind === 'database') {
    return { ...plan, secret: credentialsSecret(isTaken ? `${remote.name}-remote` : remote.name) }
  }
  const { url, host, port } = form === 'production' ? production : localAddress(plan, production, namespace)
  return { ...plan, address: { url, host, port } }
}

/** What pods call: production's own name where it can lead to the proxy, else the name of its Service. */
function localAddress(plan: RemotePlan, production: Address, namespace: string): Address {
  const { inCluster, protocol, aliases = [] } = plan
  const host = hostIn(inCluster, namespace)
  if (inCluster.tls && aliases.includes(production.host)) return { ...production, url: new URL(production.url).origin }
  const isSecure = inCluster.tls && plan.target.kind === 'service' && protocol === 'http'
  const { url, port } = remoteValues(isSecure ? { urlTemplate: SECURE } : plan, { host, port: inCluster.port })
  return { url, host, port }
}

function speaksTls({ target, protocol }: Remote, production: string): boolean {
  if (protocol !== 'http' && protocol !== 'grpc') return false
  return target.kind === 'service' ? target.tls : production.startsWith('https:')
}

function isNameTaken({ inCluster, name }: Remote, model: Model): boolean {
  const names = model.services.flatMap((service) => [service.name, ...service.databases.map((database) => database.name)])
  return names.includes(inCluster.service) || names.includes(name)
}

function urlTemplateOf({ target, protocol }: Remote, model: Model): string {
  if (target.kind === 'database') {
    const preset = model.databases[target.type]
    if (!preset) throw new Error(`the model holds no database preset ${target.type}`)
    // Only the scheme is known: the rest stays for who knows the address.
    return expandTemplate(preset.url, { scheme: preset.scheme })
  }
  const scheme = protocol === 'grpc' && target.kind === 'url' ? 'http' : protocol
  return `${scheme}://\${host}:\${port}`
}

/** As services of production reach it. What is deployed into the environment of the target itself takes the target's address. */
function productionAddress(remote: Remote, model: Model, elsewhere: string | undefined): Address {
  const { target, inCluster, protocol } = remote
  if (target.kind === 'database')
    return { url: `${target.type} ${target.database}`, host: target.database, port: String(inCluster.port) }
  if (target.kind === 'service') {
    const host = inCluster.namespace === undefined ? inCluster.service : `${inCluster.service}.${inCluster.namespace}`
    const scheme = target.tls && protocol === 'http' ? 'https' : protocol
    return { url: `${scheme}://${host}:${inCluster.port}`, host, port: String(inCluster.port) }
  }
  const url = target.environment === model.environment.name ? target.url : (elsewhere ?? target.url)
  const { hostname, port, protocol: scheme } = new URL(url)
  return { url, host: hostname, port: port || (scheme === 'https:' ? '443' : '80') }
}
