import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FrontDoor } from '../../engine/ports.ts'
import { answer, rawAnswer, type Answer } from './answers.ts'
import { forwardHttp } from './forward-http.ts'
import { forwardTcp, forwardUpgrade } from './forward-socket.ts'
import { nameOfHost } from './host.ts'
import type { Listener } from './listen.ts'
import { openPortBook } from './port-book.ts'
import { createRoute, type Hold, type HoldLimits, type Route } from './route.ts'
import { createRouteTable } from './route-table.ts'

export interface FrontDoorOptions {
  home: string
  /** Preferred for the shared port; the one kept, else 7777. */
  port?: number
  hold?: Partial<HoldLimits>
}

/**
 * Opens the front door on loopback: `http://SERVICE.localhost:PORT` on one shared port, and a port of its own for every service.
 * Listens only while there are routes. Throws PORTS_TAKEN.
 */
export async function createFrontDoor(options: FrontDoorOptions): Promise<FrontDoor> {
  const limits: HoldLimits = { count: 1_000, timeoutMs: 30_000, ...options.hold }
  const hold: Hold = { limits, waiting: 0 }
  const book = await openPortBook(options.home)
  const table = createRouteTable()
  const own = new Map<string, Listener>()
  const sockets = new Set<Socket>()

  const track = <S extends Server>(server: S): S =>
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })

  const httpServer = (find: (name: string) => Route | Answer): Server => {
    const lookUp = (request: IncomingMessage): Route | Answer => {
      const name = nameOfHost(request.headers.host)
      return name === undefined ? foreignHost(request) : find(name)
    }
    const server = createHttpServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, (request, response: ServerResponse) => {
      const found = lookUp(request)
      if ('status' in found) return answer(request, response, found)
      if (found.pages?.answers(request, response)) return
      forwardHttp(request, response, found, limits).catch(() => response.destroy())
    })
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const found = lookUp(request)
      socket.on('error', () => socket.destroy()) // a client that broke off
      if ('status' in found) return socket.end(rawAnswer(found))
      forwardUpgrade(request, socket, head, found, limits).catch(() => socket.destroy())
    })
    return track(server)
  }
  const tcpServer = (route: Route): Server =>
    track(createTcpServer({ allowHalfOpen: true, noDelay: true }, (socket) => void forwardTcp(socket, route, limits)))

  const services = (): Answer['services'] =>
    table
      .all()
      .filter((route) => route.protocol === 'http')
      .map((route) => ({ name: route.service, url: urlOf(route) }))
  const findShared = (name: string): Route | Answer => {
    const route = table.find(name)
    if (route?.protocol === 'http') return route
    if (name === '') return { status: 200, code: 'INDEX', message: 'What runs here:', services: services() }
    const known = services() ?? []
    return {
      status: 404,
      code: 'SERVICE_UNKNOWN',
      message: `Nothing here is called ${name}.`,
      hint: known.length > 0 ? `What runs here: ${known.map((one) => one.url).join(', ')}` : 'Nothing runs here yet: shiv start',
      services: known,
    }
  }
  const openShared = (): Promise<Listener> => book.open('shared', () => httpServer(findShared), options.port)
  const urlOf = (route: Route): string => {
    if (route.protocol === 'http') return `http://${table.nameOf(route)}.localhost:${port}`
    return `${route.protocol}://localhost:${own.get(route.host)?.port}`
  }
  const closeAll = async (listeners: Listener[]): Promise<void> => {
    const closed = Promise.all(listeners.map((listener) => listener.close()))
    await new Promise(setImmediate) // those who waited get their answer
    const ours = new Set(listeners.map((listener) => listener.port))
    for (const socket of sockets) if (socket.localPort === undefined || ours.has(socket.localPort)) socket.destroySoon()
    await closed
  }

  let shared: Listener | undefined = await openShared()
  let { port } = shared
  let last: Promise<unknown> = Promise.resolve()
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work, work)
    last = mine
    return mine
  }
  const remove = async (host: string): Promise<void> => {
    table.remove(host)?.remove()
    const closing = [own.get(host)]
    own.delete(host)
    if (table.all().length === 0) {
      closing.push(shared)
      shared = undefined
    }
    await closeAll(closing.filter((listener) => listener !== undefined))
  }
  const add = async (place: Pick<Route, 'host' | 'service' | 'workspace' | 'protocol'>): Promise<Route> => {
    const route = createRoute(place, hold)
    own.set(
      place.host,
      await book.open(place.host, () => (place.protocol === 'http' ? httpServer(() => route) : tcpServer(route))),
    )
    table.add(route)
    return route
  }

  return {
    get port() {
      return port
    },
    route: ({ host, workspace, service, endpoints, protocol = 'http', browser = false }) =>
      inOrder(async () => {
        if (table.byHost(host) && table.byHost(host)?.protocol !== protocol) await remove(host)
        shared ??= await openShared()
        ;({ port } = shared)
        const route = table.byHost(host) ?? (await add({ host, workspace, service, protocol }))
        route.reloadPages(browser && protocol === 'http')
        route.set(endpoints)
        return { port: own.get(host)!.port, url: urlOf(route), moved: book.takeMoves() }
      }),
    remove: (host) => inOrder(() => remove(host)),
    announce: (host, sequence) => table.byHost(host)?.pages?.announce(sequence),
    drain: async (host, drainMs) => table.byHost(host)?.drain(drainMs),
    hold: async (host, drainMs) => (await table.byHost(host)?.hold(drainMs)) ?? (() => {}),
    close: () =>
      inOrder(async () => {
        for (const route of table.all()) table.remove(route.host)?.remove()
        const listeners = [...own.values(), ...(shared ? [shared] : [])]
        own.clear()
        shared = undefined
        await closeAll(listeners)
      }),
  }
}

function foreignHost(request: IncomingMessage): Answer {
  return {
    status: 421,
    code: 'HOST_REFUSED',
    message: `shiv serves this machine only, as SERVICE.localhost, and not ${request.headers.host ?? 'a request without a host'}.`,
  }
}
