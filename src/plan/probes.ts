import type { Model, Service } from '../spec/model.ts'

export interface Probes {
  startupProbe?: Record<string, unknown>
  livenessProbe?: Record<string, unknown>
  readinessProbe?: Record<string, unknown>
}

/**
 * The three probes of a service's container: its health path over HTTP, the gRPC health protocol, or an open port where it
 * names no health. None for a worker: there is nothing to ask.
 */
export function probesOf(service: Service, model: Model): Probes {
  const first = service.ports[0]
  if (!first) return {}
  const health = service.health
  const timing = health ?? model.platform.health
  const period = {
    periodSeconds: timing.periodSeconds,
    timeoutSeconds: timing.timeoutSeconds,
    failureThreshold: timing.failureThreshold,
  }
  // Once a second, so that a start is seen when it has happened and not at the next period.
  const startup = { periodSeconds: 1, timeoutSeconds: timing.timeoutSeconds, failureThreshold: timing.startupSeconds }
  const port = service.ports.find((candidate) => candidate.name === health?.port) ?? first
  const ask = (path: string | undefined): Record<string, unknown> => {
    if (port.protocol === 'grpc' && health) return { grpc: { port: port.port } }
    if (port.protocol === 'http' && path !== undefined) return { httpGet: { path, port: port.port } }
    return { tcpSocket: { port: port.port } }
  }
  return {
    startupProbe: { ...ask(health?.path), ...startup },
    livenessProbe: { ...ask(health?.path), ...period },
    readinessProbe: { ...ask(health?.readinessPath), ...period },
  }
}
