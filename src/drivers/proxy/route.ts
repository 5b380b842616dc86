import type { Endpoint } from '../../engine/ports.ts'
import { createInFlight } from './in-flight.ts'
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
export type Turn = { endpoint: Endpoint; done(): void } | { refused: 'timeout' | 'full' | 'removed' | 'gone' }

/** One service's way: its endpoints in turn, or a bounded wait for one. */
export interface Route {
  readonly host: string
  readonly service: string
  readonly workspace: string
  readonly protocol: 'http' | 'grpc' | 'tcp'
  readonly kept: KeptConnections
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
  /** Ends every wait. */
  remove(): void
}

/** How long endpoints that refused a connection are left alone when there is no other. */
const RETRY_MS = 50

export function createRoute(place: Pick<Route, 'host' | 'service' | 'workspace' | 'protocol'>, hold: Hold): Route {
  let endpoints: Endpoint[] = []
  let position = 0
  let isRemoved = false
  let holds = 0
  const inFlight = createInFlight()
  const kept = keepConnections()
  /** In the order of their coming. */
  const waiting = new Set<(isNews: boolean) => void>()
  const wakeAll = (isNews: boolean): void => {
    for (const wake of waiting) wake(isNews)
  }
  const pick = (tried?: ReadonlySet<string>): Turn | undefined => {
    if (holds > 0) return undefined
    for (let step = 0; step < endpoints.length; step += 1) {
      const endpoint = endpoints[(position + step) % endpoints.length]!
      if (tried?.has(addressOf(endpoint))) continue
      position = (position + step + 1) % endpoints.length
      return { endpoint, done: inFlight.enter() }
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

  return {
    ...place,
    kept,
    isReady: () => endpoints.length > 0,
    set(next) {
      const wasEmpty = endpoints.length === 0
      endpoints = next
      wakeAll(wasEmpty)
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
      await inFlight.drained(drainMs)
      kept.drop()
      let isHeld = true
      return () => {
        if (!isHeld) return
        isHeld = false
        holds -= 1
        if (holds === 0) wakeAll(true)
      }
    },
    remove() {
      isRemoved = true
      kept.drop()
      wakeAll(false)
    },
  }
}

export function addressOf(endpoint: Endpoint): string {
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`
}
