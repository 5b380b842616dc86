import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import { getPointer, setPointer } from './pointer.ts'
import { AUTHORITY_PLACEHOLDER, DEPENDENCY_PLACEHOLDER } from './remote.ts'
import type { RemotePlan } from './remote.ts'
import type { KubeObject } from './types.ts'

/** The ConfigMap, and the volume, of what pods trust to call dependencies by TLS. */
export const AUTHORITY_NAME = 'shiv-authority'
/** Its keys: the authority by itself, and with the public roots. */
export const AUTHORITY_FILES = { authority: 'ca.crt', bundle: 'trusted.crt' } as const
/** Of a pod template: another authority than that which its processes read needs new ones. */
export const AUTHORITY_ANNOTATION = 'shiv.dev/authority'
const FOLDER = '/etc/shiv/authority'

/** What runtimes and tools read further authorities from: some add a file to what they trust, others read one in place of it. */
export const TRUST_VARIABLES: Record<string, keyof typeof AUTHORITY_FILES> = {
  NODE_EXTRA_CA_CERTS: 'authority',
  SSL_CERT_FILE: 'bundle',
  REQUESTS_CA_BUNDLE: 'bundle',
  CURL_CA_BUNDLE: 'bundle',
  GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: 'bundle',
}

/** Filled in by the runtime. */
export function authorityConfig(scope: ObjectScope): KubeObject {
  const data = Object.fromEntries(Object.values(AUTHORITY_FILES).map((file) => [file, AUTHORITY_PLACEHOLDER + file]))
  return kubeObject(scope, { apiVersion: 'v1', kind: 'ConfigMap', name: AUTHORITY_NAME }, { data })
}

/** What of a workload was changed, and which variables the service has itself, so that they stayed. */
export interface Trusting {
  touches: string[]
  kept: string[]
}

/** Makes the pods of a workload trust the run's authority, and find the dependencies that it calls by the names of production. */
export function trustAuthority(workload: KubeObject, remotes: RemotePlan[]): Trusting {
  const template = templateOf(workload)
  if (template === undefined) return { touches: [], kept: [] }
  const pod = `${template}/spec`
  const container = `${pod}/containers/0`
  const touches: string[] = []
  const set = (path: string, value: unknown): void => {
    setPointer(workload, path, value)
    touches.push(`${workload.kind}/${workload.metadata.name}${path}`)
  }
  const aliases = remotes.flatMap(({ name, aliases: hostnames = [] }) =>
    hostnames.length === 0 ? [] : [{ ip: DEPENDENCY_PLACEHOLDER + name, hostnames }],
  )
  if (aliases.length > 0) set(`${pod}/hostAliases`, aliases)
  if (!remotes.some(({ inCluster }) => inCluster.tls)) return { touches, kept: [] }
  const list = (path: string): object[] => (getPointer(workload, path) as object[] | undefined) ?? []
  const env = list(`${container}/env`) as { name: string }[]
  const kept = Object.keys(TRUST_VARIABLES).filter((name) => env.some((known) => known.name === name))
  const added = Object.entries(TRUST_VARIABLES).filter(([name]) => !kept.includes(name))
  const mount = { name: AUTHORITY_NAME, mountPath: FOLDER, readOnly: true }
  set(`${container}/env`, [...env, ...added.map(([name, file]) => ({ name, value: `${FOLDER}/${AUTHORITY_FILES[file]}` }))])
  set(`${container}/volumeMounts`, [...list(`${container}/volumeMounts`), mount])
  set(`${pod}/volumes`, [...list(`${pod}/volumes`), { name: AUTHORITY_NAME, configMap: { name: AUTHORITY_NAME } }])
  set(`${template}/metadata/annotations/${AUTHORITY_ANNOTATION.replace('/', '~1')}`, AUTHORITY_PLACEHOLDER)
  return { touches, kept }
}

function templateOf({ kind }: KubeObject): string | undefined {
  if (kind === 'CronJob') return '/spec/jobTemplate/spec/template'
  return ['Deployment', 'StatefulSet', 'Job'].includes(kind) ? '/spec/template' : undefined
}
