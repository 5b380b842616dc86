import type { Cluster, Endpoint, ReplicaState, RunContext } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'
import type { KubeClient } from './client.ts'
import type { Pod } from './objects.ts'
import type { Observer } from './observer.ts'
import { containerLog } from './problem.ts'
import { hasReadyEndpoint, replicasOf } from './state.ts'
import { nodePortOf } from './reach.ts'

interface Seen {
  state: ReplicaState
  restarts: number
}

/** Tells the run what happens to its replicas and endpoints, from now on. Returns how to stop. */
export function publish(client: KubeClient, observer: Observer, plan: Plan, cluster: Cluster, context: RunContext): () => void {
  const replicas = new Map<string, Seen>()
  const endpoints = new Map<string, string>()
  const subjects = [...plan.services, ...plan.databases].map(({ name }) => name)

  const look = () => {
    const view = observer.view()
    for (const subject of subjects) {
      const present = replicasOf(view, subject)
      for (const { id, state, restarts, cause } of present) {
        const key = `${subject}/${id}`
        const before = replicas.get(key)
        replicas.set(key, { state, restarts })
        if (before !== undefined && restarts > before.restarts && state !== 'crashed') tellCrash(subject, id, cause)
        if (before?.state === state) continue
        if (state === 'crashed') tellCrash(subject, id, cause)
        else context.emit({ kind: 'health', service: subject, replica: id, state, ...(cause !== undefined && { cause }) })
      }
      for (const [key, { state }] of replicas) {
        const [owner, id] = key.split('/') as [string, string]
        if (owner !== subject || present.some((replica) => replica.id === id)) continue
        replicas.delete(key)
        if (state !== 'stopped') context.emit({ kind: 'health', service: subject, replica: id, state: 'stopped' })
      }
    }
    for (const { name, ports } of plan.services) {
      const way = ports[0] && nodePortOf(view, name, ports[0].name, cluster)
      if (way === undefined) continue
      const now: Endpoint[] = hasReadyEndpoint(view, name) ? [way] : []
      if (endpoints.get(name) === JSON.stringify(now)) continue
      endpoints.set(name, JSON.stringify(now))
      context.emit({ kind: 'endpoints', service: name, endpoints: now })
    }
  }

  /** A crash is told with the last line that the container wrote. */
  const tellCrash = (subject: string, replica: string, how: string | undefined) => {
    const pod = observer.view().pods.find(({ metadata }) => metadata.name === replica)
    void lastLine(client, pod).then((line) => {
      const cause = [how ?? 'its process ended', line].filter(Boolean).join(': ')
      return context.emit({ kind: 'health', service: subject, replica, state: 'crashed', cause })
    })
  }

  const stop = observer.subscribe(look)
  look()
  return stop
}

/** The log only adds to the event: when it cannot be had, the crash is told without. */
async function lastLine(client: KubeClient, pod: Pod | undefined): Promise<string | undefined> {
  const container = pod?.status.containerStatuses?.find(({ ready }) => !ready) ?? pod?.status.containerStatuses?.[0]
  if (pod === undefined || container === undefined) return undefined
  const lines = await containerLog(client, pod, container.name, container.state?.terminated === undefined).catch(() => [])
  return lines.at(-1)
}
