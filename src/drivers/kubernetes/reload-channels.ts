import { type Channel, type Wish, createChannel } from '../sync/channel.ts'
import type { KubeClient } from './client.ts'
import { openExecStream } from './exec-stream.ts'
import { type Container, type Pod, controllerOf } from './objects.ts'
import type { Observer, View } from './observer.ts'
import { subjectOf } from './state.ts'

/** The volume that stands for the code folder in pods that can be reloaded. */
const CODE_VOLUME = 'shiv-code'
const OVERLAY_VOLUME = 'shiv-overlay'

/** A container that runs is reached in tens of milliseconds, one that is just restarted in seconds. */
const PATIENCE_MS = 10_000

/** One container that can be reloaded. */
export interface Site {
  pod: Pod
  container: Container
  root: string
  channel: Channel
}

/** The channels of one run: one for each running container that can be reloaded, as long as it is there. */
export interface Sites {
  of(service: string): Site[]
  /** Pods of a service that cannot be reached now. */
  unreachable(service: string): Pod[]
  /** Containers of this service and image, also those that come later, converge to this by themselves. */
  aim(service: string, image: string, wish: Wish): void
  close(): void
}

/** Follows the run's pods from now on. */
export function createSites(
  client: KubeClient,
  observer: Observer,
  on: { crash(pod: Pod, code: number): void; trouble(pod: Pod, message: string): void },
): Sites {
  const sites = new Map<string, Site & { startedAt: string | undefined }>()
  const aims = new Map<string, { image: string; wish: Wish }>()

  const look = () => {
    const present = new Set<string>()
    for (const pod of observer.view().pods) {
      const place = placeOf(pod)
      if (place === undefined || !isReplica(pod)) continue
      present.add(pod.metadata.uid)
      const startedAt = runningSince(pod, place.container)
      const known = sites.get(pod.metadata.uid)
      if (known !== undefined) {
        known.pod = pod
        if (startedAt !== undefined && startedAt !== known.startedAt) known.channel.nudge()
        known.startedAt = startedAt ?? known.startedAt
      } else if (startedAt !== undefined) open(pod, place, startedAt)
    }
    for (const [uid, { channel }] of sites) {
      if (present.has(uid)) continue
      channel.close()
      sites.delete(uid)
    }
  }

  const open = (pod: Pod, { container, root }: Place, startedAt: string) => {
    const argv = ['/shiv/busybox', 'sh', '/shiv/agent.sh', root]
    const channel = createChannel({
      root,
      patienceMs: PATIENCE_MS,
      connect: (signal) => openExecStream(client, pod, container.name, argv, signal),
      onCrash: (code) => on.crash(pod, code),
      onTrouble: (message) => on.trouble(pod, message),
    })
    sites.set(pod.metadata.uid, { pod, container, root, channel, startedAt })
    const aim = aims.get(subjectOf(pod) ?? '')
    if (aim?.image === container.image) channel.converge(aim.wish)
  }

  const ofService = (service: string) =>
    [...sites.values()]
      .filter(({ pod }) => subjectOf(pod) === service)
      .sort((a, b) => (a.pod.metadata.name < b.pod.metadata.name ? -1 : 1))
  const unsubscribe = observer.subscribe(look)
  look()
  return {
    of: ofService,
    unreachable: (service) =>
      observer
        .view()
        .pods.filter((pod) => subjectOf(pod) === service && isReplica(pod) && placeOf(pod) !== undefined)
        .filter((pod) => !sites.has(pod.metadata.uid)),
    aim(service, image, wish) {
      aims.set(service, { image, wish })
    },
    close() {
      unsubscribe()
      for (const { channel } of sites.values()) channel.close()
      sites.clear()
    },
  }
}

interface Place {
  container: Container
  root: string
}

/** What every pod of a service begins with, as its workload says now: also where none runs. */
export interface Ground {
  image: string
  root: string
  /** Name of the ConfigMap that seed.sh reads. */
  overlay: string
}

/** Undefined where the pods of a service cannot be reloaded. */
export function groundOf({ deployments, statefulSets }: View, service: string): Ground | undefined {
  for (const workload of [...deployments, ...statefulSets]) {
    const spec = subjectOf(workload) === service ? workload.spec.template?.spec : undefined
    const place = spec && placeIn(spec.containers)
    const overlay = spec?.volumes?.find(({ name }) => name === OVERLAY_VOLUME)?.configMap?.name
    if (place !== undefined && overlay !== undefined) return { image: place.container.image, root: place.root, overlay }
  }
  return undefined
}

/** The container whose code folder can be written, and that folder. */
export function placeOf(pod: Pod): Place | undefined {
  return placeIn(pod.spec.containers)
}

function placeIn(containers: Container[]): Place | undefined {
  for (const container of containers) {
    const root = container.volumeMounts?.find(({ name }) => name === CODE_VOLUME)?.mountPath
    if (root !== undefined) return { container, root: root.replace(/(.)\/$/, '$1') }
  }
  return undefined
}

/** Whether the kubelet lets a pod's container wait because it ended too often. */
export function isInBackOff(pod: Pod): boolean {
  return pod.status.containerStatuses?.some(({ state }) => state?.waiting?.reason === 'CrashLoopBackOff') ?? false
}

function isReplica(pod: Pod): boolean {
  const isMade = /^(ReplicaSet|StatefulSet)$/.test(controllerOf(pod)?.kind ?? '')
  return isMade && pod.metadata.deletionTimestamp === undefined
}

function runningSince(pod: Pod, container: Container): string | undefined {
  const status = pod.status.containerStatuses?.find(({ name }) => name === container.name)
  return status?.state?.running?.startedAt
}
