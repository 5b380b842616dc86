import type { NameValue } from './redactor.ts'

/**
 * The one place that says which header fields a recording leaves out or levels, because they differ between two runs of the same traffic
 * or belong to one connection.
 */
const REQUEST_LEFT_OUT = new Set([
  'baggage',
  'b3',
  'connection',
  'content-digest',
  'content-length',
  'content-md5',
  'digest',
  'elastic-apm-traceparent',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'idempotency-key',
  'keep-alive',
  'proxy-connection',
  'request-id',
  'sec-websocket-key',
  'sentry-trace',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'uber-trace-id',
  'x-amzn-trace-id',
  'x-cloud-trace-context',
  'x-correlation-id',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-request-id',
])
const REQUEST_LEFT_OUT_FAMILIES = /^(?:x-b3-|x-datadog-|x-ot-span-)/

const RESPONSE_LEVELLED = new Map([
  ['date', 'Thu, 01 Jan 1970 00:00:00 GMT'],
  ['age', '0'],
  ['sec-websocket-accept', 'VARIES'],
  ...[
    'cf-ray',
    'request-id',
    'server-timing',
    'traceparent',
    'x-amz-cf-id',
    'x-amz-id-2',
    'x-amz-request-id',
    'x-amzn-requestid',
    'x-amzn-trace-id',
    'x-correlation-id',
    'x-envoy-upstream-service-time',
    'x-kong-proxy-latency',
    'x-kong-upstream-latency',
    'x-request-id',
    'x-response-time',
    'x-runtime',
    'x-trace-id',
  ].map((name): [string, string] => [name, 'VARIES']),
])
/** Digests of a body as it was before secrets were taken out. */
const DIGESTS = new Set(['content-digest', 'content-md5', 'digest', 'repr-digest'])

export function steadyRequestHeaders(fields: readonly NameValue[]): NameValue[] {
  return fields.filter(({ name }) => isSteadyInRequest(name))
}

/** Whether a field of a request is recorded. */
export const isSteadyInRequest = rememberedByName(
  (lower) => !REQUEST_LEFT_OUT.has(lower) && !REQUEST_LEFT_OUT_FAMILIES.test(lower),
)

/** Whether a field of an answer is recorded with its own value. */
export const isSteadyInAnswer = rememberedByName((lower) => !RESPONSE_LEVELLED.has(lower))

/** Nearly all requests have the same names, as they are written. */
function rememberedByName(ask: (lower: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>()
  return (name) => {
    let answer = known.get(name)
    if (answer !== undefined) return answer
    answer = ask(name.toLowerCase())
    if (known.size < 1_000) known.set(name, answer)
    return answer
  }
}

/** `length`: that of the body as it is recorded; absent where there is no body for its header to count. */
export function steadyResponseHeaders(
  fields: readonly NameValue[],
  body: { length: number | undefined; isChanged: boolean },
): NameValue[] {
  return fields.flatMap(({ name, value }) => {
    const lower = name.toLowerCase()
    if (body.isChanged && DIGESTS.has(lower)) return []
    if (lower === 'content-length' && body.length !== undefined) return [{ name, value: String(body.length) }]
    return [{ name, value: RESPONSE_LEVELLED.get(lower) ?? value }]
  })
}

/** Whether a recorded answer's field is made anew when it is played. */
export function isDate(name: string): boolean {
  return name.toLowerCase() === 'date'
}
