import type { Access, Allowance, RemoteProtocol } from '../../../plan/remote.ts'
import type { Failure } from './failure.ts'
import type { Inbound } from './message.ts'
import { matchesPattern, plainParts } from './plain-path.ts'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
/** How frameworks are told of another method than the request line's. */
const METHOD_OVERRIDES = new Set(['x-http-method-override', 'x-http-method', 'x-method-override'])
/** How some are told of another path. */
const PATH_OVERRIDES = new Set([
  'x-original-url',
  'x-rewrite-url',
  'x-original-uri',
  'x-forwarded-uri',
  'x-forwarded-path',
  'x-forwarded-prefix',
])

/** Why a request may not reach the upstream; undefined when it may. Looks at the head only, so a refused one is never dialled for. */
export function guard(inbound: Inbound, name: string, protocol: RemoteProtocol, access: Access): Failure | undefined {
  if (access.level === 'read_write') return undefined
  return protocol === 'grpc' ? guardGrpc(inbound, name, access) : guardHttp(inbound, name, access)
}

function guardGrpc(inbound: Inbound, name: string, { allow }: Access): Failure | undefined {
  const { target, method } = inbound
  const override = findOverride(inbound) ?? findHeader(inbound, PATH_OVERRIDES)
  if (override !== undefined) return overrideRefused(name, override)
  const parts = target.includes('?') ? undefined : plainParts(target)
  // A call of gRPC is a POST and nothing else.
  if (method === 'POST' && parts && allow.some((one) => covers(one, 'POST', parts))) return undefined
  return refusal(
    name,
    `${name} is read-only, and ${shown(target)} is not in its list of methods.`,
    parts ? { path: target } : undefined,
  )
}

function guardHttp(inbound: Inbound, name: string, { allow }: Access): Failure | undefined {
  const { method, upgrade } = inbound
  const [path = ''] = inbound.target.split('?', 1)
  const override = findOverride(inbound)
  if (override !== undefined) return overrideRefused(name, override)
  if (SAFE.has(method) && upgrade === undefined) return undefined
  const asked = upgrade === undefined ? method : 'WEBSOCKET'
  const parts = plainParts(path)
  if (parts === undefined)
    return refusal(
      name,
      `${name} is read-only, and servers differ in how they read the path ${shown(path)}, so no exception covers it.`,
    )
  const used = allow.find((one) => covers(one, asked, parts))
  if (used === undefined)
    return refusal(name, `${name} is read-only: ${asked} ${shown(path)} is refused.`, { method: asked, path })
  const pathOverride = findHeader(inbound, PATH_OVERRIDES)
  if (pathOverride === undefined) return undefined
  return {
    ...refusal(
      name,
      `${name} is read-only, and the request asks by ${pathOverride} for another path than the one that is allowed.`,
    ),
    code: 'PROXY_OVERRIDE_REFUSED',
  }
}

function overrideRefused(name: string, override: string): Failure {
  return {
    ...refusal(name, `${name} is read-only, and the request asks by ${override} to be taken for another one.`),
    code: 'PROXY_OVERRIDE_REFUSED',
  }
}

function covers(allowance: Allowance, method: string, parts: readonly string[]): boolean {
  return (allowance.method === undefined || allowance.method.toUpperCase() === method) && matchesPattern(parts, allowance.path)
}

/** The name of what would have the request taken for one of another method. */
function findOverride(inbound: Inbound): string | undefined {
  const header = findHeader(inbound, METHOD_OVERRIDES, inbound.method)
  if (header !== undefined) return header
  const query = inbound.target.indexOf('?')
  if (query === -1 || !/method|%/i.test(inbound.target.slice(query))) return undefined
  for (const [key, value] of new URLSearchParams(inbound.target.slice(query + 1))) {
    const isOverride = key.toLowerCase() === '_method' || METHOD_OVERRIDES.has(folded(key))
    if (isOverride && value.toUpperCase() !== inbound.method) return `the query parameter ${key}`
  }
  return undefined
}

function findHeader({ headers }: Inbound, names: ReadonlySet<string>, harmless?: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    // The shortest has 13 characters; most of a request's headers are out by their first one.
    if (name.length < 13 || (name.charCodeAt(0) | 32) !== 120) continue
    if (names.has(folded(name)) && headers[index + 1]!.toUpperCase() !== harmless) return name
  }
  return undefined
}

/** CGI and WSGI do not tell `-` from `_`. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

function refusal(name: string, message: string, allow?: { method?: string; path: string }): Failure {
  const hint = allow
    ? `if it must pass, add this to the dependency ${name} in service.yaml, with the reason:\n${allowanceYaml(allow)}`
    : 'send it in its plain form; exceptions are made by method and path only'
  return {
    status: 403,
    code: 'PROXY_WRITE_REFUSED',
    message,
    cause: 'access: read_only',
    hint,
    ...(allow && { details: { allow: allowanceYaml(allow) } }),
  }
}

/** The lines of YAML that would let it pass. */
function allowanceYaml({ method, path }: { method?: string; path: string }): string {
  const by = method === undefined ? '' : `method: ${method}, `
  return `allow: [{ ${by}path: ${JSON.stringify(path)}, why: say why }]\n`
}

function shown(path: string): string {
  return path.length > 200 ? `${path.slice(0, 200)}…` : path
}
