import type { Log } from '../core/log.ts'
import type { Plan } from '../plan/types.ts'
import type { Endpoint, FrontDoor, PortMove, RunEvent } from './ports.ts'

export interface RouteAddress {
  url: string
  directUrl: string
}

/** A run's places at the front door. Changes are applied one after the other, the newest last. */
export interface Routes {
  /** A place for each port of the Plan, none for what left it. New places hold their requests until endpoints come. */
  keep(plan: Plan): Promise<void>
  /** `port` is the port's name; absent means the service's first. */
  point(service: string, port: string | undefined, endpoints: Endpoint[]): Promise<void>
  /** Keeps new requests of a service, on each of its ports, and waits for those in flight; see `FrontDoor.hold`. What it returns lets them go on. */
  hold(service: string, drainMs: number): Promise<() => void>
  /** Waits until the requests at endpoints that a service no longer has are answered; see `FrontDoor.drain`. Sees every `point` before it. */
  drain(service: string, drainMs: number): Promise<void>
  /** Another version of a service serves, as its pages may hear. */
  announce(service: string, sequence: number): Promise<void>
  clear(): Promise<void>
  /** Of the service's first port. */
  address(service: string): RouteAddress | undefined
}

interface Place {
  service: string
  port: string
  isFirst: boolean
  protocol: 'http' | 'grpc' | 'tcp'
  browser: boolean
  endpoints: Endpoint[]
  address?: RouteAddress
}

export function createRoutes(
  suffix: string,
  frontDoor: () => Promise<FrontDoor>,
  log: Log,
  tell: (event: RunEvent) => void = () => {},
): Routes {
  const places = new Map<string, Place>()
  let last: Promise<unknown> = Promise.resolve()

  const inOrder = (work: () => Promise<void>): Promise<void> => {
    const mine = last.then(work)
    last = mine.catch((error: unknown) => log.error('a route could not be set', { suffix, cause: String(error) }))
    return mine
  }
  const apply = async (label: string, place: Place): Promise<void> => {
    const door = await frontDoor()
    const { endpoints, protocol, browser } = place
    const host = `${label}.${suffix}`
    const { port, url, moved = [] } = await door.route({ host, workspace: suffix, service: label, endpoints, protocol, browser })
    for (const move of moved) tell(portMoved(move))
    place.address = { url, directUrl: protocol === 'http' ? `http://localhost:${port}` : `localhost:${port}` }
  }
  const remove = async (label: string): Promise<void> => {
    places.delete(label)
    await (await frontDoor()).remove(`${label}.${suffix}`)
  }
  return {
    keep: (plan) =>
      inOrder(async () => {
        const wanted = new Map(placesOf(plan))
        for (const label of places.keys()) if (!wanted.has(label)) await remove(label)
        for (const [label, place] of wanted) {
          const known = places.get(label)
          if (known?.protocol === place.protocol && known.browser === place.browser) continue
          if (known?.protocol === place.protocol) place.endpoints = known.endpoints
          places.set(label, place)
          await apply(label, place)
        }
      }),
    point: (service, port, endpoints) =>
      inOrder(async () => {
        for (const [label, place] of places) {
          if (place.service !== service || (port === undefined ? !place.isFirst : place.port !== port)) continue
          place.endpoints = endpoints
          await apply(label, place)
        }
      }),
    async hold(service, drainMs) {
      const labels = [...places].flatMap(([label, place]) => (place.service === service ? [label] : []))
      if (labels.length === 0) return () => {}
      const door = await frontDoor()
      const releases = await Promise.all(labels.map((label) => door.hold?.(`${label}.${suffix}`, drainMs)))
      return () => {
        for (const release of releases) release?.()
      }
    },
    async drain(service, drainMs) {
      await inOrder(async () => {})
      const labels = [...places].flatMap(([label, place]) => (place.service === service ? [label] : []))
      if (labels.length === 0) return
      const door = await frontDoor()
      await Promise.all(labels.map((label) => door.drain?.(`${label}.${suffix}`, drainMs)))
    },
    async announce(service, sequence) {
      const labels = [...places].flatMap(([label, place]) => (place.service === service && place.browser ? [label] : []))
      if (labels.length === 0) return
      const door = await frontDoor()
      for (const label of labels) door.announce?.(`${label}.${suffix}`, sequence)
    },
    clear: () =>
      inOrder(async () => {
        for (const label of places.keys()) await remove(label)
      }),
    address(service) {
      return [...places.values()].find((place) => place.service === service && place.isFirst)?.address
    },
  }
}

/** The first port goes by the service's name, others by `SERVICE-PORT`. */
function placesOf(plan: Plan): [string, Place][] {
  return plan.services.flatMap((service) =>
    service.ports.map((port, index): [string, Place] => [
      index === 0 ? service.name : `${service.name}-${port.name}`,
      {
        service: service.name,
        port: port.name,
        isFirst: index === 0,
        protocol: port.protocol,
        browser: service.reload?.browser === true,
        endpoints: [],
      },
    ]),
  )
}

function portMoved({ key, from, to, by }: PortMove): RunEvent {
  const what = key === 'shared' ? 'the front door' : key
  const holder = by === undefined ? 'another process' : `${by.command} (pid ${by.pid})`
  return { kind: 'warning', code: 'PORT_MOVED', message: `Port ${from} of ${what} is used by ${holder}; it is ${to} now.` }
}
