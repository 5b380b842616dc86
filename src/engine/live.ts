import type { LiveState, ReplicaState, RunEvent } from './ports.ts'

/** Whether everything that should be ready is. */
export function isWhole(live: LiveState): boolean {
  const servicesReady = live.services.every(
    (service) => service.replicas.filter((replica) => replica.state === 'ready').length >= service.desired,
  )
  return servicesReady && live.databases.every((database) => database.state === 'ready')
}

/** Whether anything of it runs. */
export function isServing(live: LiveState | undefined): boolean {
  const runs = (state: ReplicaState): boolean => state === 'ready' || state === 'unready' || state === 'starting'
  if (live === undefined) return false
  return (
    live.databases.some((one) => runs(one.state)) || live.services.some((one) => one.replicas.some(({ state }) => runs(state)))
  )
}

/** The state after a replica or a database said how it is; what is not known yet is left for the next reading. */
export function withHealth(live: LiveState, event: Extract<RunEvent, { kind: 'health' }>, time: number): LiveState {
  const change = { state: event.state, cause: event.cause }
  return {
    ...live,
    databases: live.databases.map((database) => (database.name === event.service ? { ...database, ...change } : database)),
    services: live.services.map((service) => {
      if (service.name !== event.service) return service
      const known = service.replicas.some((replica) => replica.id === event.replica)
      const replicas = service.replicas
        .filter((replica) => replica.id !== event.replica || event.state !== 'stopped')
        .map((replica) => (replica.id === event.replica ? { ...replica, ...change, since: time } : replica))
      if (!known && event.state !== 'stopped') replicas.push({ id: event.replica, ...change, restarts: 0, since: time })
      return { ...service, replicas }
    }),
  }
}
