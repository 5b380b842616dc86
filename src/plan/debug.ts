import type { Model, Service } from '../spec/model.ts'
import type { EnvVar } from './kube-env.ts'
import { escapeExpansion } from './kube-env.ts'
import { partLabels } from './labels.ts'
import { languageOf } from './language.ts'
import { hostPeer } from './local-network.ts'
import { debugServiceName } from './local-objects.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import { getPointer, setPointer } from './pointer.ts'
import type { Recorder } from './recorder.ts'
import { expandTemplate } from './template.ts'
import type { KubeObject } from './types.ts'

const CONTAINER = '/spec/template/spec/containers/0'

/** Failed liveness checks before a restart while a debugger may hold the process: an hour at the platform's five seconds. */
const PATIENCE = 720

/**
 * Opens a debug endpoint on the service's pods: the preset's environment and command around the service's own, a port, a
 * NodePort Service that stays with one pod, and a liveness probe that waits while a breakpoint holds the process.
 * Where the image lacks the debugger nothing changes and the absence is recorded.
 */
export function openDebug(service: Service, objects: KubeObject[], scope: ObjectScope, record: Recorder): KubeObject[] {
  const debug = languageOf(service, scope.model).debug
  const workload = objects.find(
    (object) => object.metadata.labels?.['app.kubernetes.io/component'] === 'server' && isWorkload(object, service),
  )
  const reason = debug ? whyNot(service, scope.model) : `the preset ${service.language} has no debugger`
  if (!debug || !workload || reason !== undefined) {
    record.miss({
      id: `debug.${service.name}`,
      what: `debug endpoint of ${service.name}`,
      production: 'none',
      why: reason ?? 'nothing runs',
    })
    return []
  }
  const id = `${workload.kind}/${workload.metadata.name}${CONTAINER}`
  const values = { 'debug.port': debug.port, 'debug.host': '0.0.0.0' }
  const touches = [`${id}/ports`, `${id}/livenessProbe`, `NetworkPolicy/${service.name}/spec/ingress`]
  if (debug.env) {
    const env = getPointer(workload, `${CONTAINER}/env`) as EnvVar[]
    for (const [name, value] of Object.entries(debug.env)) addTo(env, name, expandTemplate(value, values))
    touches.push(`${id}/env`)
  }
  if (debug.command) {
    const original = service.command ?? languageOf(service, scope.model).build.command
    const words = debug.command.flatMap((word) => (word === '${command}' ? original : [expandTemplate(word, values)]))
    setPointer(workload, `${CONTAINER}/command`, words.map(escapeExpansion))
    touches.push(`${id}/command`)
  }
  const port = { name: 'debug', containerPort: debug.port, protocol: 'TCP' }
  setPointer(workload, `${CONTAINER}/ports`, [
    ...((getPointer(workload, `${CONTAINER}/ports`) as object[] | undefined) ?? []),
    port,
  ])
  if (getPointer(workload, `${CONTAINER}/livenessProbe`))
    setPointer(workload, `${CONTAINER}/livenessProbe/failureThreshold`, PATIENCE)
  admitDebugger(service, objects, debug.port)
  record.substitute({
    id: `debug.${service.name}`,
    what: `debug endpoint of ${service.name}`,
    production: 'none; liveness as configured',
    local: `${debug.protocol} on port ${debug.port}; liveness waits ${PATIENCE} periods`,
    why: 'a debugger can attach, and a breakpoint does not get the pod restarted',
    touches,
  })
  return [debugService(service, debug.port, scope)]
}

function isWorkload(object: KubeObject, service: Service): boolean {
  return (
    ['Deployment', 'StatefulSet'].includes(object.kind) && object.metadata.labels?.['app.kubernetes.io/name'] === service.name
  )
}

function whyNot(service: Service, model: Model): string | undefined {
  const language = languageOf(service, model)
  const { protocol, inImage, command } = language.debug ?? {}
  if (protocol !== 'node-inspector' && (!inImage || service.build.kind !== 'preset')) return `its image does not hold ${protocol}`
  const isCommandKnown = service.command !== undefined || (service.build.kind === 'preset' && language.build.command.length > 0)
  if (command && !isCommandKnown) return 'its command is known to its image only'
  return undefined
}

/** A variable of the user's own stays, with the debugger's behind it: NODE_OPTIONS takes several. */
function addTo(env: EnvVar[], name: string, value: string): void {
  const known = env.find((candidate) => candidate.name === name)
  if (known?.value !== undefined) known.value = `${known.value} ${escapeExpansion(value)}`.trim()
  else if (!known) env.push({ name, value: escapeExpansion(value) })
}

function admitDebugger(service: Service, objects: KubeObject[], port: number): void {
  const policy = objects.find((object) => object.kind === 'NetworkPolicy' && object.metadata.name === service.name)
  const rules = policy && (getPointer(policy, '/spec/ingress') as object[] | undefined)
  rules?.push({ from: [hostPeer], ports: [{ port, protocol: 'TCP' }] })
}

function debugService(service: Service, port: number, scope: ObjectScope): KubeObject {
  return kubeObject(
    scope,
    { apiVersion: 'v1', kind: 'Service', name: debugServiceName(service.name), labels: partLabels(service.name, 'debug') },
    {
      spec: {
        type: 'NodePort',
        selector: partLabels(service.name, 'server'),
        sessionAffinity: 'ClientIP',
        publishNotReadyAddresses: true,
        ports: [{ name: 'debug', port, targetPort: port, protocol: 'TCP' }],
      },
    },
  )
}
