import type { Route } from './route.ts'

/** Routes by every name they answer to: `orders.shop` always, `orders` for the first service of that name. */
export interface RouteTable {
  add(route: Route): void
  remove(host: string): Route | undefined
  /** By name of a Host header, without `.localhost`. */
  find(name: string): Route | undefined
  byHost(host: string): Route | undefined
  /** The shortest name that leads to the route. */
  nameOf(route: Route): string
  all(): Route[]
}

export function createRouteTable(): RouteTable {
  const routes = new Map<string, Route>()
  const owners = new Map<string, Route>()
  return {
    add(route) {
      routes.set(route.host, route)
      if (!owners.has(route.service)) owners.set(route.service, route)
    },
    remove(host) {
      const route = routes.get(host)
      routes.delete(host)
      if (!route || owners.get(route.service) !== route) return route
      owners.delete(route.service)
      const heir = [...routes.values()].find((other) => other.service === route.service)
      if (heir) owners.set(heir.service, heir)
      return route
    },
    find: (name) => routes.get(name) ?? owners.get(name),
    byHost: (host) => routes.get(host),
    nameOf: (route) => (owners.get(route.service) === route ? route.service : route.host),
    all: () => [...routes.values()],
  }
}
