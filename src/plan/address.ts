import type { Port, Service } from '../spec/model.ts'

/** Where a service is reached: `url`, `host` and `port` of its first port, given the host and port number that lead to it. */
export function serviceAddress(protocol: Port['protocol'], host: string, port: number): Record<'url' | 'host' | 'port', string> {
  return { url: `${protocol}://${host}:${port}`, host, port: String(port) }
}

/** How pods reach a service: by its name in the namespace and its own port, on every runtime that is a cluster. */
export function clusterAddress(service: Service): Record<'url' | 'host' | 'port', string> {
  const port = service.ports[0]
  return port ? serviceAddress(port.protocol, service.name, port.port) : { url: '', host: service.name, port: '' }
}
