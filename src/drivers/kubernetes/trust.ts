import { createHash } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import type { DependencyAddresses } from '../../engine/dependency-ports.ts'
import { AUTHORITY_PLACEHOLDER, DEPENDENCY_PLACEHOLDER } from '../../plan/remote.ts'
import { DEPENDENCY_LABEL } from '../../plan/remote-objects.ts'
import { AUTHORITY_FILES, AUTHORITY_NAME } from '../../plan/trust.ts'
import type { KubeObject } from '../../plan/types.ts'
import type { Applier } from './applier.ts'
import type { ServiceObject } from './objects.ts'
import { mapTemplates } from '../../plan/pod-templates.ts'

export function isAuthorityConfig({ kind, metadata }: KubeObject): boolean {
  return kind === 'ConfigMap' && metadata.name === AUTHORITY_NAME
}

/** Fills in what pods trust: the authority by itself, and after the public roots of this Node for programs that read one file and nothing else. */
export function withAuthority(config: KubeObject, addresses: DependencyAddresses): KubeObject {
  const certificate = certificateIn(addresses)
  const data = {
    [AUTHORITY_FILES.authority]: certificate,
    [AUTHORITY_FILES.bundle]: `${rootCertificates.join('\n')}\n${certificate}`,
  }
  return { ...config, data }
}

/**
 * Leads the names of production in pods to the Services of dependencies, whose addresses the cluster chose when they were applied, and marks pods
 * with whom they trust: processes read that once.
 */
export function withNames(objects: KubeObject[], applier: Applier, addresses: DependencyAddresses): KubeObject[] {
  const places = new Map<string, string>()
  for (const object of objects) {
    const name = object.kind === 'Service' ? object.metadata.labels?.[DEPENDENCY_LABEL] : undefined
    const live = name === undefined ? undefined : (applier.liveOf(object) as ServiceObject | undefined)
    if (name !== undefined && live?.spec.clusterIP !== undefined) places.set(name, live.spec.clusterIP)
  }
  const mark = createHash('sha256').update(certificateIn(addresses)).digest('hex').slice(0, 16)
  return mapTemplates(objects, (text) => {
    if (text === AUTHORITY_PLACEHOLDER) return mark
    if (!text.startsWith(DEPENDENCY_PLACEHOLDER)) return text
    return places.get(text.slice(DEPENDENCY_PLACEHOLDER.length)) ?? text
  })
}

/** One authority serves a run. */
function certificateIn(addresses: DependencyAddresses): string {
  return [...addresses.values()].find(({ trust }) => trust !== undefined)?.trust?.certificate ?? ''
}
