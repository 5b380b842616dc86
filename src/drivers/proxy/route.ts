import type { Endpoint } from '../../engine/ports.ts'

/** Bounds of the requests that wait for an endpoint. */
export interface HoldLimits {
  /** Over all routes. */
  count: number
  timeoutMs: number
}

export interface Hold {
  limits: HoldLimits
  waiting: number
}

export type Turn = { endpoint: Endpoint } | { refused: 'timeout' | 'full' | 'removed' | 'gone' }

/** One service's way: its endpoints in turn, or a bounded wait for one. */
export interface Route {
  readonly host: string
  readonly service: string
  readonly workspace: string
  readonly protocol: 'http' | 'grpc' | 'tcp'
  isReady(): boolean
  set(endpoints: Endpoint[]): void
  /**
   * The next endpoint; waits while there is none, or none but those in `tried`, which come back into play after a moment.
   * An aborted signal (the client is gone) ends the wait.
   */
  next(signal: AbortSignal, tried?: ReadonlySet<string>): Promise<Turn>
  /** Ends every wait. */
  remove(): void
}

/** How long endpoints that refused a connection are left alone when there is no other. */
const RETRY_MS = 50

export function createRoute(place: Pick<Route, 'host' | 'service' | 'workspace' | 'protocol'>, hold: Hold): Route {
  let endpoints: Endpoint[] = []
  let turn = 0
  let isRemoved = false
  const changes = new Set<() => void>()
  const change = (): void => {
    for (const wake of changes) wake()
  }
  const pick = (tried: ReadonlySet<string> | undefined): Endpoint | undefined => {
    for (let step = 0; step < endpoints.length; step += 1) {
      const endpoint = endpoints[(turn + step) % endpoints.length]!
      if (tried?.has(addressOf(endpoint))) continue
      turn = (turn + step + 1) % endpoints.length
      return endpoint
    }
    return undefined
  }

  const wait = (signal: AbortSignal, tried: ReadonlySet<string> | undefined): Promise<Turn> =>
    new Promise((resolve) => {
      const end = (turn: Turn): void => {
        clearTimeout(deadline)
        clearTimeout(retry)
        changes.delete(look)
        signal.removeEventListener('abort', leave)
        hold.waiting -= 1
        resolve(turn)
      }
      const look = (): void => {
        const endpoint = pick(tried)
        if (isRemoved) end({ refused: 'removed' })
        else if (endpoint) end({ endpoint })
      }
      const retryAll = (): void => {
        const endpoint = pick(undefined)
        if (endpoint) end({ endpoint })
      }
      const leave = (): void => end({ refused: 'gone' })
      hold.waiting += 1
      const deadline = setTimeout(() => end({ refused: 'timeout' }), hold.limits.timeoutMs)
      const retry = tried && tried.size > 0 ? setTimeout(retryAll, RETRY_MS) : undefined
      changes.add(look)
      signal.addEventListener('abort', leave, { once: true })
    })

  return {
    ...place,
    isReady: () => endpoints.length > 0,
    set(next) {
      endpoints = next
      change()
    },
    async next(signal, tried) {
      if (isRemoved) return { refused: 'removed' }
      if (signal.aborted) return { refused: 'gone' }
      const endpoint = pick(tried)
      if (endpoint) return { endpoint }
      return hold.waiting >= hold.limits.count ? { refused: 'full' } : wait(signal, tried)
    },
    remove() {
      isRemoved = true
      change()
    },
  }
}

export function addressOf(endpoint: Endpoint): string {
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`
}
