import { ask, draftFact } from './draft-fact.ts'
import type { Fact, Plan, ReadingTarget, ServicePlan } from './types.ts'

/** What a running service shows and no object of it says. A service that is not part of the local run is one absent fact. */
export function serviceFacts(service: ServicePlan, production: Plan, local: Plan): Fact[] {
  const { name } = service
  const about = (key: string, title: string, weight: number, said: string) => ({
    id: `service.${name}.${key}`,
    subject: name,
    title,
    weight,
    production: said,
  })
  const here = local.services.find((candidate) => candidate.name === name)
  if (!here)
    return [
      {
        ...about('replicas', 'replicas that are ready', 3, replicasText(service)),
        local: undefined,
        verdict: 'absent',
        why: 'it is not part of this run',
      },
    ]
  const isProcess = local.runtime === 'process'
  const high = isProcess || here.replicas.cpuTarget === undefined ? here.replicas.min : here.replicas.max
  const facts = [
    draftFact(local, {
      ...about('image', 'image', 2, imageText(name, production)),
      recordedAs: `image.${name}`,
      ...imageReading(name, local),
    }),
    draftFact(local, {
      ...about('replicas', 'replicas that are ready', 3, replicasText(service)),
      ...(isProcess && { recordedAs: `replicas.${name}` }),
      local: replicasText(here),
      ...ask(`replicas:${name}`, { $atLeast: here.replicas.min, $atMost: high }),
    }),
    draftFact(local, {
      ...about('logs', 'log format', 1, service.logging),
      local: here.logging,
      ...ask(`log-format:${name}`, here.logging),
    }),
  ]
  if (service.health) {
    const path = here.health && { local: `GET ${here.health.path}` }
    facts.push(
      draftFact(local, {
        ...about('health', 'health', 2, `GET ${service.health.path}`),
        ...path,
        ...ask(`health:${name}`, true),
      }),
    )
  }
  if (service.metrics) {
    facts.push(
      draftFact(local, {
        ...about('metrics', 'metrics endpoint', 1, `GET ${service.metrics.path}`),
        ...ask(`metrics:${name}`, true),
      }),
    )
  }
  if (isProcess) {
    facts.push(
      draftFact(local, {
        ...about('uid', 'not root', 1, 'never root'),
        recordedAs: `user.${name}`,
        ...ask(`user:${name}`, { $atLeast: 1 }),
      }),
    )
  }
  for (const [key, title] of [
    ['debug', 'debug endpoint'],
    ['reload', 'reload in place'],
  ] as const) {
    const missed = local.absences?.find((entry) => entry.id === `${key}.${name}`)
    // Production has none either: it is told and weighs nothing.
    if (missed) facts.push({ ...about(key, title, 0, 'none'), local: undefined, verdict: 'absent', why: missed.why })
  }
  return facts
}

function replicasText(service: ServicePlan): string {
  const { min, max, cpuTarget } = service.replicas
  return max > min && cpuTarget !== undefined ? `${min} to ${max} at ${cpuTarget}% CPU` : String(min)
}

function imageText(service: string, production: Plan): string {
  const image = production.images.find((candidate) => candidate.service === service)
  if (image?.source.kind === 'reference') return image.source.image
  return `${image?.repository} by digest, from the registry`
}

/** The pods of a cluster run what was built here; what the kubelet pulled by name needs no question. */
function imageReading(service: string, local: Plan): { reading?: ReadingTarget } {
  const image = local.images.find((candidate) => candidate.service === service)
  const workload = local.objects.find((object) => {
    const labels = object.metadata.labels ?? {}
    const isServer = labels['app.kubernetes.io/name'] === service && labels['app.kubernetes.io/component'] === 'server'
    return isServer && ['Deployment', 'StatefulSet'].includes(object.kind)
  })
  if (!workload || image?.source.kind !== 'build') return {}
  return {
    reading: {
      kind: 'object',
      apiVersion: workload.apiVersion,
      object: workload.kind,
      name: workload.metadata.name,
      namespace: local.namespace,
      path: '/spec/template/spec/containers/0/image',
      expect: { $startsWith: `${image.repository}:` },
    },
  }
}
