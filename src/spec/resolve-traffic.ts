import { didYouMean } from '../core/suggest.ts'
import type { Draft } from './draft.ts'
import type { Health, LanguagePreset, Observability, PlatformPreset, Port } from './model.ts'

export function resolvePorts({ data }: Draft, preset: LanguagePreset | undefined): Port[] {
  if (data.ports !== undefined) return data.ports.map(({ name, port, protocol = 'http' }) => ({ name, port, protocol }))
  return [{ name: 'http', port: data.port ?? preset?.port ?? 8080, protocol: 'http' }]
}

/** Health is asked on an HTTP port: the one that is named, else the first. Without one there is none. */
export function resolveHealth(
  draft: Draft,
  ports: Port[],
  preset: LanguagePreset | undefined,
  platform: PlatformPreset,
): Health | undefined {
  const { health } = draft.data
  const own = typeof health === 'string' ? { path: health } : (health ?? {})
  const askable = ports.filter((port) => port.protocol === 'http')
  const asked = own.port === undefined ? askable[0] : askable.find(({ name, port }) => name === own.port || port === own.port)
  if (asked === undefined) {
    if (health !== undefined && !draft.incomplete.has('ports')) noPort(draft, askable)
    return undefined
  }
  const path = own.path ?? preset?.health.path ?? '/healthz'
  return {
    path,
    readinessPath: own.readiness_path ?? path,
    port: asked.name,
    periodSeconds: own.period_seconds ?? platform.health.periodSeconds,
    timeoutSeconds: own.timeout_seconds ?? platform.health.timeoutSeconds,
    failureThreshold: own.failure_threshold ?? platform.health.failureThreshold,
    startupSeconds: own.startup_seconds ?? platform.health.startupSeconds,
  }
}

function noPort(draft: Draft, askable: Port[]): void {
  const named = draft.text(['health', 'port'])
  const names = askable.map((port) => port.name)
  if (named === undefined) {
    draft.faultAtKey(['health'], {
      code: 'SPEC_NO_PORT',
      message: 'health needs an http port, and there is none',
      hint: 'add one to ports, or remove health',
    })
  } else {
    const hint = didYouMean(named, names) ?? 'add an http port of this name to ports'
    draft.faultAtValue(['health', 'port'], { code: 'SPEC_NO_PORT', message: `there is no http port "${named}"`, hint })
  }
}

/** Metrics have a port of their own unless service.yaml names one of its ports on purpose. */
export function resolveObservability(draft: Draft, ports: Port[], platform: PlatformPreset): Observability {
  const { logging = 'plain', metrics, alerts = [] } = draft.data.observability ?? {}
  const names = { logging, alerts: typeof alerts === 'string' ? [alerts] : alerts }
  if (metrics === undefined) return names
  const own = metrics === 'prometheus' ? {} : metrics
  const port = own.port ?? platform.metrics.port
  if (own.port === undefined && ports.some((taken) => taken.port === port)) {
    const message = `metrics would listen on ${port}, which is already one of the ports`
    draft.faultAtKey(['observability', 'metrics'], {
      code: 'SPEC_DUPLICATE_PORT',
      message,
      hint: `write metrics: { port: ${port + 1} }`,
    })
  }
  return { ...names, metrics: { port, path: own.path ?? platform.metrics.path } }
}
