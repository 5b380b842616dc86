import type { Log } from '../core/log.ts'
import type { Plan } from '../plan/types.ts'
import type { Endpoint, FrontDoor } from './ports.ts'

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
  clear(): Promise<void>
  /** Of the service's first port. */
  address(service: string): RouteAddress | undefined
}

interface Place {
  service: string
  port: string
  isFirst: boolean
  protocol: 'http' | 'grpc' | 'tcp'
  endpoints: Endpoint[]
  address?: RouteAddress
}

export function createRoutes(suffix: string, frontDoor: () => Promise<FrontDoor>, log: Log): Routes {
  const places = new Map<string, Place>()
  let last: Promise<unknown> = Promise.resolve()

  const inOrder = (work: () => Promise<void>): Promise<void> => {
    const mine = last.then(work)
    last = mine.catch((error: unknown) => log.error('a route could not be set', { suffix, cause: String(error) }))
    return mine
  }
  const apply = async (label: string, place: Place): Promise<void> => {
    const door = await frontDoor()
    const { endpoints, protocol } = place
    const { port, url } = await door.route({ host: `${label}.${suffix}`, workspace: suffix, service: label, endpoints, protocol })
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
          if (known?.protocol === place.protocol) continue
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
      { service: service.name, port: port.name, isFirst: index === 0, protocol: port.protocol, endpoints: [] },
    ]),
  )
}
