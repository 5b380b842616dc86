import type { LookupFunction } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { DependencySetting, Upstream } from '../../../engine/dependency-ports.ts'
import type { Exchange, OpenExchange } from '../exchange.ts'
import { type Retiring, retiring } from '../retiring.ts'
import { createBearer, type Bearer, type ReadToken } from './bearer.ts'
import { createBreaker, type Breaker } from './breaker.ts'
import { createDialer } from './dial.ts'
import { createHttp1Pool } from './http1-pool.ts'
import { createHttp2Pool } from './http2-pool.ts'
import { createRequestRules, type MakeOutbound } from './request-rules.ts'
import { createResponseRules, type MapAnswer } from './response-rules.ts'
import { createRetryBudget, type RetryBudget } from './retry-budget.ts'
import { createPathMap } from './rewrite.ts'
import type { UpstreamPool } from './upstream-pool.ts'

/** A setting made ready to serve by. A request keeps the one it began with. */
export interface Course {
  readonly setting: DependencySetting
  readonly upstream: UpstreamParts | undefined
  readonly mapAnswer: MapAnswer
  readonly timeouts: Timeouts
  /** What `shiv-served-by` says of the upstream's answers. */
  readonly label: string
  readonly recording: Recording | undefined
}

/** All that outlives a change of rules as long as the upstream stays the same. */
export interface UpstreamParts {
  readonly upstream: Upstream
  /** HTTP/1.1, or HTTP/2 for gRPC. */
  readonly pool: UpstreamPool
  /** For gRPC requests of a dependency that is otherwise HTTP/1.1. */
  readonly http2: UpstreamPool
  readonly makeOutbound: MakeOutbound
  readonly bearer: Bearer | undefined
  readonly breaker: Breaker | undefined
  readonly retries: { attempts: number; budget: RetryBudget } | undefined
}

/** Each in milliseconds; 0 is without end. */
export interface Timeouts {
  connectMs: number
  headersMs: number
  idleMs: number
  totalMs: number
}

/** The exchange of a setting, and how many requests use it. */
export interface Recording extends Retiring {
  readonly exchange: Promise<Exchange>
  /** The same, once it is open. */
  readonly opened: Exchange | undefined
}

export interface CourseTools {
  openExchange?: OpenExchange
  readToken: ReadToken
  lookup?: LookupFunction
}

const RETIRE_MS = 2_000
const DEFAULTS: Timeouts = { connectMs: 10_000, headersMs: 60_000, idleMs: 300_000, totalMs: 0 }

/** Makes a course; what of `before` still fits, connections and tokens among them, is taken over. */
export function createCourse(setting: DependencySetting, tools: CourseTools, before?: Course): Course {
  const { upstream, rules } = setting
  const paths = createPathMap(rules.rewrite ?? [], upstream?.url.pathname ?? '/')
  return {
    setting,
    upstream: upstream && createUpstreamParts(setting, upstream, tools, before),
    mapAnswer: createResponseRules(rules, upstream?.url, paths),
    timeouts: { ...DEFAULTS, ...rules.timeouts },
    label: setting.mode === 'local' ? 'local' : headerSafe(upstream?.label ?? setting.mode),
    recording: sameRecording(setting, before) ? before?.recording : openRecording(setting, tools.openExchange, before?.recording),
  }
}

/** Ends what `before` has and `after` does not. */
export function retireCourse(before: Course, after: Course | undefined): Promise<void> | undefined {
  const old = before.upstream
  const now = after?.upstream
  if (old && old.pool !== now?.pool) old.pool.close()
  if (old && old.http2 !== now?.http2) old.http2.close()
  if (old?.bearer && old.bearer !== now?.bearer) old.bearer.close()
  return before.recording === after?.recording ? undefined : before.recording?.retire()
}

function createUpstreamParts(setting: DependencySetting, upstream: Upstream, tools: CourseTools, before?: Course): UpstreamParts {
  const { rules } = setting
  const old = before?.upstream
  const kept = old && before.setting.protocol === setting.protocol && isSame(old.upstream, upstream) ? old : undefined
  const dialer = createDialer(upstream, tools.lookup)
  const http2 = kept?.http2 ?? createHttp2Pool(dialer)
  const oldRules = before?.setting.rules
  return {
    upstream,
    pool: kept?.pool ?? (setting.protocol === 'grpc' ? http2 : createHttp1Pool(dialer)),
    http2,
    makeOutbound: createRequestRules(rules, upstream, createPathMap(rules.rewrite ?? [], upstream.url.pathname)),
    bearer: keep(kept?.bearer, oldRules?.auth, rules.auth, (auth) => createBearer(auth, tools.readToken)),
    breaker: keep(kept?.breaker, oldRules?.breaker, rules.breaker, (breaker) => createBreaker(breaker)),
    retries: keep(kept?.retries, oldRules?.retries, rules.retries, ({ attempts, budget }) => ({
      attempts,
      budget: createRetryBudget(budget),
    })),
  }
}

/** `before` where its rule is still the same, else a new one. */
function keep<Rule, Made>(
  before: Made | undefined,
  old: Rule | undefined,
  rule: Rule | undefined,
  make: (rule: Rule) => Made,
): Made | undefined {
  if (rule === undefined) return undefined
  return before !== undefined && JSON.stringify(old) === JSON.stringify(rule) ? before : make(rule)
}

function isSame(one: Upstream, other: Upstream): boolean {
  return (
    one.url.href === other.url.href && one.connect === other.connect && one.ca === other.ca && one.servername === other.servername
  )
}

function sameRecording({ mode, recording }: DependencySetting, before: Course | undefined): boolean {
  return before?.setting.mode === mode && JSON.stringify(before.setting.recording) === JSON.stringify(recording)
}

/** Opens when what was recorded `before` is closed, perhaps to the same file; a stream that goes on for long is not waited for. */
function openRecording(
  setting: DependencySetting,
  open: OpenExchange | undefined,
  before: Recording | undefined,
): Recording | undefined {
  if (open === undefined || (setting.mode !== 'record' && setting.mode !== 'replay')) return undefined
  const exchange = before ? Promise.race([before.retire(), pause(RETIRE_MS)]).then(() => open(setting)) : open(setting)
  let opened: Exchange | undefined
  exchange.then(
    (one) => (opened = one),
    () => {}, // each request that needs it hears of it
  )
  return {
    exchange,
    get opened() {
      return opened
    },
    ...retiring(exchange),
  }
}

function headerSafe(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}
