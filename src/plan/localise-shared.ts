import type { Model } from '../spec/model.ts'
import { localRepository } from './images.ts'
import type { Recorder } from './recorder.ts'
import type { ImagePlan, Plan } from './types.ts'

/** Where a local run lives: the environment's own namespace if it names one, else `shiv-WORKSPACE`. */
export function localNamespace(model: Model): string {
  const { namespace, name } = model.environment
  return (name === 'local' ? namespace : undefined) ?? `shiv-${model.workspace.name}`
}

/** The images of a Plan under the names that a local build gives them. */
export function localImages(base: Plan, model: Model): ImagePlan[] {
  return base.images.map((image) => ({ ...image, repository: localRepository(image.service, model) }))
}

/** Records what differs on any developer's machine, whichever runtime. */
export function recordShared(base: Plan, model: Model, record: Recorder): void {
  for (const service of base.services) {
    if (!service.ports.some((port) => port.protocol === 'http')) continue
    const domain = model.environment.domain
    record.substitute({
      id: 'host',
      what: 'host name',
      production: domain === undefined ? 'the platform’s domain' : `SERVICE.${domain}`,
      local: 'SERVICE.localhost',
      why: 'a name that leads to this machine without DNS',
      touches: [`Ingress/${service.name}`],
    })
    if (domain !== undefined) {
      record.miss({
        id: 'tls',
        what: 'TLS',
        production: 'a certificate for each host',
        why: 'requests do not leave this machine',
        touches: [`Ingress/${service.name}/spec/tls`],
      })
    }
  }
  for (const secret of base.secrets) {
    if (secret.source.kind !== 'external') continue
    record.substitute({
      id: `secret.${secret.name}`,
      what: `secret ${secret.name}`,
      production: 'the platform’s secret store',
      local: 'your environment or .env.local',
      why: 'production’s values do not belong on a developer’s machine',
    })
  }
  if (base.alerts.length > 0) {
    const receivers = [...new Set(base.alerts.map((alert) => alert.receiver))].join(', ')
    record.miss({ id: 'alerts', what: 'alert routing', production: receivers, why: 'a local run wakes nobody' })
  }
  if (base.services.some((service) => service.metrics)) {
    record.miss({
      id: 'prometheus',
      what: 'metrics collection',
      production: 'Prometheus scrapes each replica',
      why: 'no Prometheus runs here; the endpoint is the same and can be asked by hand',
    })
  }
}
