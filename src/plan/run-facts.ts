import { ask, draftFact } from './draft-fact.ts'
import type { RemotePlan } from './remote.ts'
import { serviceFacts } from './service-facts.ts'
import type { Fact, Plan } from './types.ts'

/** Facts that no object of production carries: versions, places, images, secrets, and what only a running system shows. */
export function runFacts(production: Plan, local: Plan): Fact[] {
  const external = production.secrets.filter((secret) => secret.source.kind === 'external')
  return [
    ...clusterFacts(production, local),
    ...production.databases.flatMap((database) => databaseFacts(database.name, production, local)),
    ...production.remotes.flatMap((remote) => remoteFacts(remote, local)),
    ...production.services.flatMap((service) => serviceFacts(service, production, local)),
    ...external.map((secret) =>
      draftFact(local, {
        id: `secret.${secret.name}`,
        subject: secret.name,
        title: 'secret values',
        weight: 1,
        production: 'the platform’s secret store',
      }),
    ),
  ]
}

function clusterFacts(production: Plan, local: Plan): Fact[] {
  const isCluster = local.runtime !== 'process'
  const minor = local.cluster.kubernetes
  const about = (id: string, title: string, weight: number, said: string) => ({
    id,
    subject: 'cluster',
    title,
    weight,
    production: said,
  })
  const facts = [
    draftFact(local, {
      ...about('kubernetes', 'Kubernetes', 2, production.cluster.kubernetes),
      local: minor,
      ...(isCluster && ask('kubernetes', { $version: minor })),
    }),
    draftFact(local, {
      ...about('nodes', 'nodes', 1, 'several, in several zones'),
      ...(isCluster && ask('nodes', local.cluster.workers + 1)),
    }),
    draftFact(local, { ...about('namespace', 'namespace', 1, production.namespace), local: local.namespace }),
  ]
  if (isCluster && production.objects.some((object) => object.kind === 'HorizontalPodAutoscaler')) {
    facts.push(
      draftFact(local, { ...about('metrics-api', 'metrics for autoscalers', 2, 'metrics.k8s.io'), ...ask('metrics-api', true) }),
    )
  }
  const hasHost = production.services.some((service) => service.ports.some((port) => port.protocol === 'http'))
  if (hasHost && !production.objects.some((object) => object.kind === 'Ingress')) {
    facts.push(draftFact(local, about('host', 'host name', 1, 'the platform’s domain')))
  }
  if (production.alerts.length > 0) {
    const receivers = [...new Set(production.alerts.map((alert) => alert.receiver))].join(', ')
    facts.push(draftFact(local, about('alerts', 'alert routing', 1, receivers)))
  }
  if (production.services.some((service) => service.metrics)) {
    facts.push(draftFact(local, about('prometheus', 'metrics collection', 1, 'Prometheus scrapes each replica')))
  }
  return facts
}

function remoteFacts({ name, production }: RemotePlan, local: Plan): Fact[] {
  const about = { subject: name, production }
  if (!local.remotes.some((remote) => remote.name === name)) {
    const why = 'no service of this run calls it'
    return [{ ...about, id: `dependency.${name}`, title: 'dependency', weight: 2, local: undefined, verdict: 'absent', why }]
  }
  const facts = [draftFact(local, { ...about, id: `dependency.${name}`, title: 'where it leads', weight: 2 })]
  if (production.startsWith('https:')) {
    facts.push(
      draftFact(local, {
        id: `tls.${name}`,
        subject: name,
        title: 'TLS to it',
        weight: 1,
        production: 'the service itself speaks TLS',
      }),
    )
  }
  return facts
}

function databaseFacts(name: string, production: Plan, local: Plan): Fact[] {
  const there = production.databases.find((database) => database.name === name)
  const here = local.databases.find((database) => database.name === name)
  if (!there) return []
  const about = {
    id: `database.${name}.version`,
    subject: name,
    title: 'engine and version',
    weight: 3,
    production: `${there.type} ${there.version}`,
  }
  if (!here) return [{ ...about, local: undefined, verdict: 'absent', why: 'no service of this run uses it' }]
  return [
    draftFact(local, { ...about, local: `${here.type} ${here.version}`, ...ask(`version:${name}`, { $version: here.version }) }),
    draftFact(local, {
      id: `database.${name}.place`,
      recordedAs: `database.${name}`,
      subject: name,
      title: 'where it runs',
      weight: 1,
      production: `managed ${there.type}`,
      ...ask(`database:${name}`, true),
    }),
  ]
}
