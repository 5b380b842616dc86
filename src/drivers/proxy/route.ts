import type { Endpoint } from '../../engine/ports.ts'
import { createInFlight, type InFlight } from './in-flight.ts'
import { createPages, type Pages } from './pages.ts'
import { keepConnections, type KeptConnections } from './kept-connections.ts'

/** Bounds of the requests that wait. Their bodies are not read meanwhile: of each, no more than a socket's buffers is in memory. */
export interface HoldLimits {
  /** Over all routes. */
  count: number
  timeoutMs: number
}

export interface Hold {
  limits: HoldLimits
  waiting: number
}

/** `done` says that the service has no more work with it; called again it does nothing. */
export type Turn =
  | { endpoint: Endpoint; kept: KeptConnections; done(): void }
  | { refused: 'timeout' | 'full' | 'removed' | 'gone' }

/** One service's way: its endpoints in turn, or a bounded wait for one. */
export interface Route {
  readonly host: string
  readonly service: string
  readonly workspace: string
  readonly protocol: 'http' | 'grpc' | 'tcp'
  /** Of a service whose pages reload by themselves. */
  readonly pages: Pages | undefined
  reloadPages(isOn: boolean): void
  isReady(): boolean
  set(endpoints: Endpoint[]): void
  /** The next endpoint if there is one for a request of this moment. */
  now(): Turn | undefined
  /**
   * The next endpoint; waits while the route is held, or there is none, or none but those in `tried`, which come back into play
   * after a moment. An aborted signal (the client is gone) ends the wait.
   */
  next(signal: AbortSignal, tried?: ReadonlySet<string>): Promise<Turn>
  /** As `FrontDoor.hold`. */
  hold(drainMs: number): Promise<() => void>
  /** As `FrontDoor.drain`. */
  drain(drainMs: number): Promise<void>
  /** Ends every wait. */
  remove(): void
}

/** One endpoint: what is at work there, and the connections that are kept. */
interface Lane {
  endpoint: Endpoint
  address: string
  inFlight: InFlight
  kept: KeptConnections
}

/** How long endpoints that refused a connection are left alone when there is no other. */
const RETRY_MS = 50

export function createRoute(place: Pick<Route, 'host' | 'service' | 'workspace' | 'protocol'>, hold: Hold): Route {
  let lanes: Lane[] = []
  /** Of endpoints that are gone from the route and have not answered everything yet. */
  let leaving: Lane[] = []
  let position = 0
  let isRemoved = false
  let holds = 0
  let pages: Pages | undefined
  /** In the order of their coming. */
  const waiting = new Set<(isNews: boolean) => void>()
  const wakeAll = (isNews: boolean): void => {
    for (const wake of waiting) wake(isNews)
  }
  const pick = (tried?: ReadonlySet<string>): Turn | undefined => {
    if (holds > 0) return undefined
    for (let step = 0; step < lanes.length; step += 1) {
      const lane = lanes[(position + step) % lanes.length]!
      if (tried?.has(lane.address)) continue
      position = (position + step + 1) % lanes.length
      return { endpoint: lane.endpoint, kept: lane.kept, done: lane.inFlight.enter() }
    }
    return undefined
  }

  const wait = (signal: AbortSignal, tried: ReadonlySet<string> | undefined): Promise<Turn> =>
    new Promise((resolve) => {
      const end = (turn: Turn): void => {
        clearTimeout(deadline)
        clearTimeout(retry)
        waiting.delete(look)
        signal.removeEventListener('abort', leave)
        hold.waiting -= 1
        resolve(turn)
      }
      const look = (isNews: boolean): void => {
        if (isRemoved) return end({ refused: 'removed' })
        const turn = pick(isNews ? undefined : tried)
        if (turn) end(turn)
      }
      const retryAll = (): void => {
        const turn = pick()
        if (turn) end(turn)
      }
      const leave = (): void => end({ refused: 'gone' })
      hold.waiting += 1
      const deadline = setTimeout(() => end({ refused: 'timeout' }), hold.limits.timeoutMs)
      const retry = tried && tried.size > 0 ? setTimeout(retryAll, RETRY_MS) : undefined
      waiting.add(look)
      signal.addEventListener('abort', leave, { once: true })
    })

  const empty = async (chosen: Lane[], drainMs: number): Promise<void> => {
    await Promise.all(chosen.map(({ inFlight }) => inFlight.drained(drainMs)))
    for (const { kept } of chosen) kept.drop()
  }

  return {
    ...place,
    get pages() {
      return pages
    },
    reloadPages(isOn) {
      if (isOn) pages ??= createPages()
      else {
        pages?.close()
        pages = undefined
      }
    },
    isReady: () => lanes.length > 0,
    set(endpoints) {
      const before = lanes
      lanes = endpoints.map((endpoint) => {
        const address = addressOf(endpoint)
        return before.find((lane) => lane.address === address) ?? openLane(endpoint, address)
      })
      const gone = before.filter((lane) => !lanes.includes(lane))
      for (const { kept } of gone) kept.drop()
      leaving = [...leaving, ...gone].filter(({ inFlight }) => !inFlight.isIdle())
      wakeAll(before.length === 0)
    },
    now: () => (isRemoved ? undefined : pick()),
    async next(signal, tried) {
      if (isRemoved) return { refused: 'removed' }
      if (signal.aborted) return { refused: 'gone' }
      const turn = pick(tried)
      if (turn) return turn
      return hold.waiting >= hold.limits.count ? { refused: 'full' } : wait(signal, tried)
    },
    async hold(drainMs) {
      holds += 1
      await empty([...lanes, ...leaving], drainMs)
      let isHeld = true
      return () => {
        if (!isHeld) return
        isHeld = false
        holds -= 1
        if (holds === 0) wakeAll(true)
      }
    },
    drain: (drainMs) => empty(leaving, drainMs),
    remove() {
      isRemoved = true
      pages?.close()
      for (const { kept } of lanes) kept.drop()
      wakeAll(false)
    },
  }
}

function openLane(endpoint: Endpoint, address: string): Lane {
  return { endpoint, address, inFlight: createInFlight(), kept: keepConnections() }
}

export function addressOf(endpoint: Endpoint): string {
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`
}
