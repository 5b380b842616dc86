import type { Service } from '../spec/model.ts'
import type { ReloadPolicy } from '../spec/reload-policy.ts'
import { contentHash } from './canonical.ts'
import type { EnvVar } from './kube-env.ts'
import { escapeExpansion } from './kube-env.ts'
import { languageOf } from './language.ts'
import { shortName } from './names.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import { getPointer, setPointer } from './pointer.ts'
import { HELPER_SCRIPTS } from './reload-helper.ts'
import { containerSecurity } from './security.ts'
import type { KubeObject } from './types.ts'

/** Brings a busybox that needs nothing of the image beside it: distroless images have no shell. */
const TOOLS_IMAGE = 'busybox:1.36-musl'

/** Who brings it where the pod leaves the user to its image, and this image's is root. */
const NOBODY = 65_534

/** The ConfigMap of the helper's scripts, one in a namespace. */
const SCRIPTS_NAME = 'shiv-reload'

const POD = '/spec/template/spec'
const CONTAINER = `${POD}/containers/0`

interface Container {
  image: string
  command?: string[]
  env: EnvVar[]
  resources: object
  volumeMounts: object[]
}

/** What `openWorkload` changes, as pointers into the workload. */
export const OPENED = [
  `${POD}/initContainers`,
  `${POD}/volumes`,
  `${CONTAINER}/command`,
  `${CONTAINER}/env`,
  `${CONTAINER}/volumeMounts`,
  '/spec/template/metadata/annotations/shiv.dev~1reload-tools',
]

/** The ConfigMap of what a service's new pods hold beyond their image: the runtime makes it, and a pod starts without it. */
export function overlayName(service: string): string {
  return shortName(`${service}-overlay`)
}

/** The helper's scripts, for the pods of all services. */
export function reloadScripts(scope: ObjectScope): KubeObject {
  return kubeObject(scope, { apiVersion: 'v1', kind: 'ConfigMap', name: SCRIPTS_NAME }, { data: { ...HELPER_SCRIPTS } })
}

/** Puts the code of a workload into a volume that its image seeds, and its command, as it is by now, under the helper. */
export function openWorkload(workload: KubeObject, service: Service, policy: ReloadPolicy, scope: ObjectScope): void {
  const workdir = policy.workdir!
  const container = getPointer(workload, CONTAINER) as Container
  const command = container.command ?? languageOf(service, scope.model).build.command.map(escapeExpansion)
  setPointer(workload, `${POD}/initContainers`, initContainers(workload, container, workdir, scope))
  setPointer(workload, `${POD}/volumes`, [
    ...(getPointer(workload, `${POD}/volumes`) as object[]),
    { name: 'shiv-tools', emptyDir: {} },
    { name: 'shiv-code', emptyDir: {} },
    { name: 'shiv-scripts', configMap: { name: SCRIPTS_NAME } },
    { name: 'shiv-overlay', configMap: { name: overlayName(service.name), optional: true } },
  ])
  setPointer(workload, `${CONTAINER}/command`, ['/shiv/busybox', 'sh', '/shiv/run.sh', ...command])
  setPointer(workload, `${CONTAINER}/env`, [...container.env, ...helperEnv(workload, container, service, policy, scope)])
  setPointer(workload, `${CONTAINER}/volumeMounts`, [
    ...container.volumeMounts,
    { name: 'shiv-tools', mountPath: '/shiv' },
    { name: 'shiv-code', mountPath: workdir },
  ])
  // Pods of an older helper give way to those of a newer one.
  setPointer(workload, OPENED.at(-1)!, contentHash(HELPER_SCRIPTS, 16))
}

function initContainers(workload: KubeObject, container: Container, workdir: string, scope: ObjectScope): object[] {
  const securityContext = containerSecurity(scope.model.platform.readOnlyRootFilesystem)
  const hasUser = getPointer(workload, `${POD}/securityContext/runAsUser`) !== undefined
  // As large as the main container, so that the pod asks the scheduler and the quota for no more than before.
  const common = { imagePullPolicy: 'IfNotPresent', resources: structuredClone(container.resources) }
  return [
    {
      name: 'shiv-tools',
      image: TOOLS_IMAGE,
      command: ['sh', '-c', 'cp /bin/busybox /scripts/* /shiv/'],
      ...common,
      securityContext: { ...securityContext, ...(!hasUser && { runAsUser: NOBODY }) },
      volumeMounts: [
        { name: 'shiv-tools', mountPath: '/shiv' },
        { name: 'shiv-scripts', mountPath: '/scripts', readOnly: true },
      ],
    },
    {
      name: 'shiv-seed',
      image: container.image,
      command: ['/shiv/busybox', 'sh', '/shiv/seed.sh', escapeExpansion(workdir), '/shiv-code', '/shiv-overlay'],
      ...common,
      securityContext,
      volumeMounts: [
        { name: 'shiv-tools', mountPath: '/shiv' },
        { name: 'shiv-code', mountPath: '/shiv-code' },
        { name: 'shiv-overlay', mountPath: '/shiv-overlay', readOnly: true },
      ],
    },
  ]
}

/** What the helper must know; a variable that the service has of that name stays the service's. */
function helperEnv(
  workload: KubeObject,
  { env }: Container,
  service: Service,
  policy: ReloadPolicy,
  scope: ObjectScope,
): EnvVar[] {
  const isServer = workload.metadata.labels?.['app.kubernetes.io/component'] === 'server'
  const { health } = service
  const port = health && service.ports.find((each) => each.name === health.port)?.port
  const wanted: Record<string, string | undefined> = {
    SHIV_GRACE_SECONDS: String(scope.model.platform.terminationGraceSeconds),
    SHIV_HEALTH_PORT: isServer && port !== undefined ? String(port) : undefined,
    SHIV_HEALTH_PATH: isServer ? health?.readinessPath : undefined,
    SHIV_SPARE: policy.spare,
    SHIV_PRELOAD: policy.preload?.join(' '),
  }
  return Object.entries(wanted).flatMap(([name, value]) =>
    value === undefined || env.some((known) => known.name === name) ? [] : [{ name, value: escapeExpansion(value) }],
  )
}
