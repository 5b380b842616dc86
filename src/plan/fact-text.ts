import { isSame } from './canonical.ts'
import { HELPER_PREFIX } from './kube-env.ts'
import type { EnvVar } from './kube-env.ts'

// The words of facts: each function takes the value at its extractor's path, as an object of that kind holds it.

export function shortJson(value: unknown): string {
  if (typeof value === 'string') return value
  const text = JSON.stringify(value) ?? 'not set'
  return text.length > 100 ? `${text.slice(0, 97)}…` : text
}

export function wordsText(value: unknown): string {
  return (value as string[]).join(' ')
}

export function pairsText(value: unknown): string {
  return Object.entries(value as Record<string, string>)
    .map(([name, amount]) => `${name} ${amount}`)
    .join(', ')
}

export function envText(value: unknown): string {
  const entries = value as (EnvVar | string)[]
  if (entries.every((entry) => typeof entry === 'string')) return `${entries.length} variables`
  const vars = (entries as EnvVar[]).filter((entry) => !entry.name.startsWith(HELPER_PREFIX))
  const references = vars.filter((entry) => entry.valueFrom).length
  return `${vars.length} variables${references > 0 ? `, ${references} from Secrets` : ''}`
}

export function probeText(value: unknown): string {
  const { httpGet, grpc, tcpSocket, periodSeconds, failureThreshold } = value as Record<string, any>
  const what = httpGet ? `GET ${httpGet.path}` : grpc ? 'gRPC health' : tcpSocket ? `port ${tcpSocket.port}` : 'a command'
  return `${what} each ${periodSeconds} s, ${failureThreshold} may fail`
}

export function portsText(value: unknown): string {
  return (value as { name: string; containerPort: number }[]).map((port) => `${port.name} ${port.containerPort}`).join(', ')
}

export function servicePortsText(value: unknown): string {
  return (value as { name: string; port: number }[]).map((port) => `${port.name} ${port.port}`).join(', ')
}

export function userText(value: unknown): string {
  const { runAsNonRoot, runAsUser, seccompProfile } = value as Record<string, any>
  return [
    runAsUser ? `uid ${runAsUser}` : 'the image’s',
    runAsNonRoot && 'never root',
    seccompProfile && `seccomp ${seccompProfile.type}`,
  ]
    .filter(Boolean)
    .join(', ')
}

export function sandboxText(value: unknown): string {
  const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = value as Record<string, any>
  return [
    allowPrivilegeEscalation === false && 'no privilege escalation',
    readOnlyRootFilesystem && 'read-only root',
    capabilities?.drop && `drops ${capabilities.drop.join(', ')}`,
  ]
    .filter(Boolean)
    .join(', ')
}

export function updateText(value: unknown): string {
  const { type, rollingUpdate } = value as Record<string, any>
  return rollingUpdate ? `rolling, ${rollingUpdate.maxUnavailable} unavailable` : type
}

export function spreadText(value: unknown): string {
  return `over ${(value as { topologyKey: string }[]).map((constraint) => constraint.topologyKey.split('/')[1]).join(' and ')}`
}

export function volumesText(value: unknown): string {
  return (value as any[]).map((claim) => `${claim.metadata.name} ${claim.spec.resources.requests.storage}`).join(', ')
}

export function podSecurityText(value: unknown): string {
  return `${(value as Record<string, string>)['pod-security.kubernetes.io/enforce'] ?? 'nothing'} enforced`
}

export function policyText(value: unknown): string {
  const { ingress } = value as { ingress?: { from?: unknown[]; ports?: { port: number }[] }[] }
  if (!ingress) return 'nothing comes in unless another policy says so'
  return ingress
    .map(
      (rule) =>
        `${rule.ports?.map((port) => port.port).join(', ') ?? 'any port'} from ${rule.from?.map(peerText).join(' and ') ?? 'anywhere'}`,
    )
    .join('; ')
}

function peerText(peer: unknown): string {
  const { podSelector, namespaceSelector, ipBlock } = peer as Record<string, any>
  if (ipBlock) return ipBlock.except ? 'this machine' : ipBlock.cidr
  if (namespaceSelector) return namespaceSelector.matchExpressions ? 'ingress controllers' : 'pods of the cluster'
  return Object.keys(podSelector ?? {}).length > 0 ? 'chosen pods' : 'pods of the namespace'
}

export function drainText(value: unknown): string {
  const seconds = (value as any).preStop?.sleep?.seconds
  return seconds === undefined ? shortJson(value) : `${seconds} s`
}

/** The names that differ, not two counts. */
export function envContrast(there: unknown, here: unknown): { production: string; local: string } {
  const [left, right] = [there, here].map((env) => new Map((env as EnvVar[]).map((entry) => [entry.name, entry])))
  const differs = [...new Set([...left!.keys(), ...right!.keys()])].filter((name) => !isSame(left!.get(name), right!.get(name)))
  const text = (env: Map<string, EnvVar>): string =>
    differs.map((name) => (env.has(name) ? `${name}=${env.get(name)?.value ?? 'from a Secret'}` : `no ${name}`)).join(', ')
  return { production: text(left!), local: text(right!) }
}

export function targetText(value: unknown): string {
  return (value as any[])
    .map((metric) => `${metric.resource?.name ?? metric.type} ${metric.resource?.target?.averageUtilization ?? ''}%`)
    .join(', ')
}

export function hostText(value: unknown): string {
  return (value as { host: string }[]).map((rule) => rule.host).join(', ')
}
