import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import type { Cluster, Endpoint } from '../../engine/ports.ts'
import type { Plan, ServicePlan } from '../../plan/types.ts'
import { LABEL, type ServiceObject } from './objects.ts'
import type { View } from './observer.ts'

/** What must answer from the host before a start is over. */
export interface Door {
  subject: string
  endpoint: Endpoint
  /** HTTP path; without one an open connection is the answer. */
  path?: string
}

/** The node's proxy rules follow the endpoints within a second; this long it may take. */
const PATIENCE_MS = 15_000
/** How long a connected door may take over its answer. */
const ANSWER_MS = 2000
/**
 * A shut door says so six times and then once a second, for the kernel rations such answers; to a connection that hears nothing TCP
 * itself comes back after a second. So it is dialled anew sooner, and given the longer the longer all takes.
 */
const FIRST_DIAL_MS = 50

/** Every NodePort of the Plan's services and databases that leads in. */
export function doorsOf(plan: Plan, view: View, cluster: Cluster): Door[] {
  const services = plan.services.flatMap((service) => serviceDoors(service, view, cluster))
  const databases = plan.databases.flatMap(({ name }) => {
    const endpoint = databaseDoor(view, name, cluster)
    return endpoint ? [{ subject: name, endpoint }] : []
  })
  return [...services, ...databases]
}

/** The host's way to a port of a Service, to its first one where none is named; undefined where it has no NodePort. */
export function nodePortOf(view: View, service: string, port: string | undefined, cluster: Cluster): Endpoint | undefined {
  const object = view.services.find(({ metadata }) => metadata.name === service)
  return object && wayTo(object, port, cluster)
}

/** The host's way to a database: through its NodePort Service, which may have a shortened name. */
export function databaseDoor(view: View, database: string, cluster: Cluster): Endpoint | undefined {
  const object = view.services.find(
    ({ metadata, spec }) => metadata.labels?.[LABEL.database] === database && spec.type === 'NodePort',
  )
  return object && wayTo(object, undefined, cluster)
}

function wayTo(service: ServiceObject, port: string | undefined, cluster: Cluster): Endpoint | undefined {
  const entry = (service.spec.ports ?? []).find(({ name }) => port === undefined || name === port)
  return entry?.nodePort === undefined ? undefined : cluster.reach(entry.nodePort)
}

/** Resolves when every door answers; throws KUBE_SERVICE_UNREACHABLE, naming the first that stays shut. */
export async function awaitDoors(doors: Door[], signal: AbortSignal): Promise<void> {
  await Promise.all(doors.map((door) => awaitDoor(door, signal)))
}

/** Asks once: undefined when it answers well, else what happened. A connection that is not made within `dialMs` is given up. */
export async function knock(door: Door, dialMs = 1000): Promise<string | undefined> {
  const socket = connect(door.endpoint)
  try {
    await dialled(socket, dialMs)
    if (door.path !== undefined) return await answerTo(socket, door.endpoint, door.path)
    socket.destroy()
    return undefined
  } catch (error) {
    socket.destroy()
    return (error as Error).message
  }
}

function dialled(socket: Socket, dialMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no answer')), dialMs)
    socket.once('connect', () => {
      clearTimeout(late)
      resolve()
    })
    socket.once('error', (error) => {
      clearTimeout(late)
      reject(error)
    })
  })
}

function answerTo(socket: Socket, { host, port }: Endpoint, path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const asking = get({ createConnection: () => socket, host, port, path, timeout: ANSWER_MS }, (answer) => {
      answer.resume()
      const status = answer.statusCode ?? 0
      resolve(status >= 200 && status < 400 ? undefined : `it answered ${status}`)
    })
    asking.on('timeout', () => asking.destroy(new Error('no answer')))
    asking.on('error', reject)
  })
}

async function awaitDoor(door: Door, signal: AbortSignal): Promise<void> {
  const began = Date.now()
  for (let pause = 5; ; pause = Math.min(pause * 2, 100)) {
    const waited = Date.now() - began
    const trouble = await knock(door, FIRST_DIAL_MS + waited / 4)
    if (trouble === undefined) return
    signal.throwIfAborted()
    if (waited > PATIENCE_MS) throw shut(door, trouble)
    await delay(pause, undefined, { signal })
  }
}

function serviceDoors(service: ServicePlan, view: View, cluster: Cluster): Door[] {
  return service.ports.flatMap(({ name, protocol }): Door[] => {
    const endpoint = nodePortOf(view, service.name, name, cluster)
    if (endpoint === undefined) return []
    const isAsked = protocol === 'http' && service.health !== undefined && service.health.port === name
    return [{ subject: service.name, endpoint, ...(isAsked && { path: service.health?.readinessPath }) }]
  })
}

function shut(door: Door, trouble: string): ShivError {
  const where = `${door.endpoint.host}:${door.endpoint.port}${door.path ?? ''}`
  return new ShivError(`${door.subject} is ready in the cluster, but from this machine ${where} does not answer: ${trouble}.`, {
    code: 'KUBE_SERVICE_UNREACHABLE',
    hint: 'A firewall or VPN of this machine, or a NetworkPolicy from a patch or preset, may be in the way: shiv doctor looks.',
  })
}
