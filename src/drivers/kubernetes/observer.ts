import { ShivError } from '../../core/errors.ts'
import { KubeApiError, type KubeClient } from './client.ts'
import { knownPath } from './mapping.ts'
import type { EndpointSlice, EventObject, Live, Node, Pod, ServiceObject, Workload } from './objects.ts'
import { watchCollection } from './watch.ts'

/** The live objects of one namespace, by kind, and the cluster's nodes. */
export interface View {
  pods: Pod[]
  deployments: Workload[]
  replicaSets: Workload[]
  statefulSets: Workload[]
  jobs: Workload[]
  cronJobs: Workload[]
  claims: Live[]
  services: ServiceObject[]
  slices: EndpointSlice[]
  events: EventObject[]
  /** Undefined where they may not be looked at. */
  nodes: Node[] | undefined
}

const KINDS: Record<keyof View, string> = {
  pods: 'Pod',
  deployments: 'Deployment',
  replicaSets: 'ReplicaSet',
  statefulSets: 'StatefulSet',
  jobs: 'Job',
  cronJobs: 'CronJob',
  claims: 'PersistentVolumeClaim',
  services: 'Service',
  slices: 'EndpointSlice',
  events: 'Event',
  nodes: 'Node',
}

/** A namespace that is watched: always the newest view, and a way to wait for the next change. */
export interface Observer {
  readonly isConnected: boolean
  view(): View
  /** Calls back after every change, once per turn of the event loop. Returns how to stop. */
  subscribe(listener: () => void): () => void
  close(): void
}

/** Starts to watch; resolves once every kind was listed. Throws when the API server cannot be asked. */
export async function observe(client: KubeClient, namespace: string): Promise<Observer> {
  const abort = new AbortController()
  const listeners = new Set<() => void>()
  const stores = new Map<keyof View, Map<string, Live>>()
  const broken = new Set<keyof View>()
  let isScheduled = false

  const announce = () => {
    if (isScheduled) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      for (const listener of listeners) listener()
    })
  }

  const watchKind = (key: keyof View): Promise<void> =>
    new Promise((listed, failed) => {
      const store = new Map<string, Live>()
      stores.set(key, store)
      const watching = watchCollection(client, knownPath(KINDS[key], namespace), abort.signal, {
        replaced(objects) {
          store.clear()
          for (const object of objects) store.set(object.metadata.name, object)
          listed()
          announce()
        },
        changed(object) {
          store.set(object.metadata.name, slim(object))
          announce()
        },
        deleted(object) {
          store.delete(object.metadata.name)
          announce()
        },
        connected(isConnected) {
          if (isConnected) broken.delete(key)
          else broken.add(key)
        },
      })
      watching.catch((error: unknown) => {
        // Nodes are the cluster's, and who deploys into a namespace may not see them.
        if (key !== 'nodes' || !(error instanceof KubeApiError) || error.status !== 403) return failed(error)
        stores.delete(key)
        listed()
      })
    })

  try {
    await Promise.all((Object.keys(KINDS) as (keyof View)[]).map(watchKind))
  } catch (error) {
    abort.abort()
    throw asShivError(error)
  }
  return {
    get isConnected() {
      return broken.size === 0
    },
    view: () => viewOf(stores),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      listeners.clear()
      abort.abort()
    },
  }
}

/** Reads a namespace once, without watching. */
export async function look(client: KubeClient, namespace: string): Promise<View> {
  const stores = new Map<keyof View, Map<string, Live>>()
  await Promise.all(
    (Object.keys(KINDS) as (keyof View)[]).map(async (key) => {
      const list = await client.call<{ items: Live[] | null }>('GET', knownPath(KINDS[key], namespace))
      stores.set(key, new Map((list.items ?? []).map((object) => [object.metadata.name, object])))
    }),
  )
  return viewOf(stores)
}

/** A view of nothing. */
export function emptyView(): View {
  return viewOf(new Map())
}

/** managedFields is most of an object's bytes and nothing of what we read here. */
function slim(object: Live): Live {
  delete object.metadata.managedFields
  return object
}

function viewOf(stores: Map<keyof View, Map<string, Live>>): View {
  const entries = (Object.keys(KINDS) as (keyof View)[]).map((key) => [key, [...(stores.get(key)?.values() ?? [])]])
  return { ...(Object.fromEntries(entries) as View), ...(!stores.has('nodes') && { nodes: undefined }) }
}

function asShivError(error: unknown): unknown {
  if (!(error instanceof KubeApiError)) return error
  return new ShivError(`The cluster does not let us watch: ${error.message}`, { code: 'KUBE_REFUSED', cause: error })
}
