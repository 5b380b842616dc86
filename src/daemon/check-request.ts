import type { Method, RequestLine } from '../wire/messages.ts'

type Shape = Record<string, 'string' | 'boolean' | 'object' | 'strings'>

const TARGET: Shape = { path: 'string', services: 'strings' }
const START: Shape = { ...TARGET, env: 'string', environment: 'object' }
const DEPLOY: Shape = { ...START, isConfirmed: 'boolean' }

/** What each method's params must hold; more may be there. */
const PARAMS: Record<Method, Shape> = {
  hello: {},
  start: START,
  stop: { ...TARGET, purge: 'boolean' },
  restart: TARGET,
  status: { ...TARGET, all: 'boolean' },
  plan: START,
  parity: { ...START, verify: 'boolean' },
  build: { ...START, fresh: 'boolean', discard: 'boolean' },
  why: { ...START, files: 'strings' },
  logs: { ...TARGET, sources: 'strings', follow: 'boolean' },
  exec: { ...TARGET, argv: 'strings' },
  test: START,
  loops: TARGET,
  verify: TARGET,
  proxy: { path: 'string', names: 'strings' },
  proxyTail: { path: 'string', names: 'strings', follow: 'boolean' },
  proxyMode: { path: 'string', name: 'string' },
  proxyFault: { path: 'string', name: 'string' },
  recordingCheck: { file: 'string' },
  recordingMerge: { files: 'strings', into: 'string' },
  deploy: DEPLOY,
  deployPlan: DEPLOY,
  deployStatus: DEPLOY,
  deployHistory: DEPLOY,
  deployLogs: { ...DEPLOY, follow: 'boolean' },
  rollback: DEPLOY,
  doctor: { fix: 'boolean', environment: 'object' },
  shutdown: {},
}

/** Whether a parsed line is a request that the daemon may act on. */
export function isRequestLine(value: unknown): value is RequestLine {
  if (!isObject(value) || typeof value['id'] !== 'string' || typeof value['v'] !== 'number') return false
  const { request, client } = value
  if (!isObject(client) || typeof client['pid'] !== 'number' || typeof client['command'] !== 'string') return false
  if (!isObject(request) || typeof request['method'] !== 'string' || !Object.hasOwn(PARAMS, request['method'])) return false
  const shape = PARAMS[request['method'] as Method]
  const params = request['params'] ?? {}
  return isObject(params) && Object.entries(shape).every(([name, kind]) => holds(params[name], kind))
}

function holds(value: unknown, kind: Shape[string]): boolean {
  if (kind === 'strings') return Array.isArray(value) && value.every((item) => typeof item === 'string')
  return kind === 'object' ? isObject(value) : typeof value === kind
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
