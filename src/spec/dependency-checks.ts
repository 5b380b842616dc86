import { LABEL } from './rules.ts'

type Report = (path: (string | number)[], fault: { code: string; message: string; hint: string }) => void
type Fields = Record<string, unknown>

export const TARGETS = ['http', 'grpc', 'tcp', 'service', 'database'] as const

/** Fields that only some targets have, by what they mean. */
const GOES_WITH: Record<string, readonly string[]> = {
  protocol: ['service'],
  type: ['database'],
  credentials: ['database'],
  production: ['http', 'grpc', 'tcp'],
  tls: ['http', 'grpc', 'service'],
  allow: ['http', 'grpc', 'service'],
  headers: ['http', 'grpc', 'service'],
  auth: ['http', 'grpc', 'service'],
  rewrite: ['http', 'grpc', 'service'],
  host: ['http', 'grpc', 'service'],
  forwarded: ['http', 'grpc', 'service'],
  retries: ['http', 'grpc', 'service'],
  breaker: ['http', 'grpc', 'service'],
  hostnames: ['http', 'grpc', 'service'],
}

/** A dependency outside of the workspace is one name and what it leads to. */
export function checkDependencyEntry(entry: Fields, report: Report): void {
  const names = Object.keys(entry)
  for (const name of names.filter((one) => !LABEL.pattern.test(one))) {
    report([name], { code: LABEL.code, message: LABEL.message(name), hint: LABEL.hint })
  }
  if (names.length === 1) return
  const message =
    names.length === 0 ? 'this entry names no dependency' : `this entry names ${names.length} dependencies: ${names.join(', ')}`
  const hint = 'write one a line: - billing: { http: https://billing.staging.example.com }'
  report(names.length === 0 ? [] : [names[1]!], { code: 'SPEC_BAD_DEPENDENCY', message, hint })
}

/** One target, the fields that go with it, and no guard that cannot guard. */
export function checkDependency(entry: Fields, report: Report): void {
  const targets = TARGETS.filter((name) => Object.hasOwn(entry, name))
  const [target, second] = targets
  if (target === undefined) {
    const hint = 'add http: URL, grpc: URL, tcp: host:port, service: NAME.NAMESPACE or database: NAME'
    report([], { code: 'SPEC_BAD_DEPENDENCY', message: 'this dependency leads nowhere', hint })
    return
  }
  if (second !== undefined) {
    const message = `this dependency leads to ${targets.length} places: ${targets.join(', ')}`
    report([second], { code: 'SPEC_BAD_DEPENDENCY', message, hint: 'keep one of them' })
    return
  }
  for (const [field, goesWith] of Object.entries(GOES_WITH)) {
    if (!Object.hasOwn(entry, field) || goesWith.includes(target)) continue
    const message = `"${field}" has no meaning for ${target}`
    report([field], { code: 'SPEC_DEPENDENCY_FIELD', message, hint: `remove it; it goes with ${goesWith.join(', ')}` })
  }
  if (target === 'database' && !Object.hasOwn(entry, 'type')) {
    const hint = 'add type: postgres, or type: redis'
    report([], { code: 'SPEC_MISSING_FIELD', message: '"type" is missing: what the database speaks', hint })
  }
  checkLocal(entry, report)
  checkAccess(entry, target, report)
}

function checkLocal(entry: Fields, report: Report): void {
  if (entry['mode'] !== 'local' || Object.hasOwn(entry, 'local')) return
  report(['mode'], {
    code: 'SPEC_MISSING_FIELD',
    message: '"local" is missing: mode local needs it',
    hint: 'add local: NAME of a service or database of the workspace, or local: http://localhost:3000',
  })
}

function checkAccess(entry: Fields, target: string, report: Report): void {
  const isBytes = target === 'tcp' || (target === 'service' && entry['protocol'] === 'tcp')
  if (isBytes && entry['read_only'] !== false) {
    report(Object.hasOwn(entry, 'read_only') ? ['read_only'] : [target], {
      code: 'SPEC_UNGUARDED',
      message: 'of plain bytes nobody can tell a read from a write, so this cannot be read-only',
      hint: 'write read_only: false, if writes may reach the other environment',
    })
  }
  const isGrpc = target === 'grpc' || entry['protocol'] === 'grpc'
  const allow = Array.isArray(entry['allow']) ? (entry['allow'] as unknown[]) : []
  for (const [index, allowance] of allow.entries()) {
    if (typeof allowance !== 'object' || allowance === null) continue
    const hasMethod = Object.hasOwn(allowance, 'method')
    if (isGrpc && hasMethod) {
      const message = 'a gRPC method is named by its path alone'
      report(['allow', index, 'method'], {
        code: 'SPEC_DEPENDENCY_FIELD',
        message,
        hint: 'remove method; path is /package.Service/Method',
      })
    }
    if (!isGrpc && !hasMethod) {
      const message = `"method" is missing in allow[${index}]`
      report(['allow', index], { code: 'SPEC_MISSING_FIELD', message, hint: 'add a line such as: method: POST' })
    }
  }
}

/** A secret is a reference, also in a header. */
const SECRET_HEADERS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])
/** They belong to one connection or frame the message; a rule that sets them would break it. */
const FRAMING_HEADERS = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export function checkHeaders(rules: Fields, report: Report): void {
  const set = rules['set']
  for (const [name, value] of Object.entries(typeof set === 'object' && set !== null ? set : {})) {
    const lower = name.toLowerCase()
    if (SECRET_HEADERS.has(lower)) {
      const hint = 'say where the token comes from: auth: { bearer: { env: BILLING_TOKEN } }'
      report(['set', name], {
        code: 'SPEC_SECRET_IN_TEXT',
        message: `"${name}" carries a secret, which is never written here`,
        hint,
      })
    }
    if (FRAMING_HEADERS.has(lower)) {
      const hint = lower === 'host' ? 'use the field host of the dependency' : 'remove the line'
      report(['set', name], { code: 'SPEC_BAD_VALUE', message: `"${name}" is the connection's own`, hint })
    }
    // oxlint-disable-next-line no-control-regex -- they would end the header
    if (typeof value === 'string' && /[\u0000-\u0008\u000A-\u001F\u007F]/.test(value)) {
      report(['set', name], {
        code: 'SPEC_BAD_VALUE',
        message: `the value of "${name}" has a line break`,
        hint: 'write it in one line',
      })
    }
  }
}

export function checkAuth(bearer: Fields, report: Report): void {
  exactlyOne(bearer, ['command', 'env', 'kube_context'], 'token', report)
}

export function checkCredentials(credentials: Fields, report: Report): void {
  exactlyOne(credentials, ['secret', 'env', 'command'], 'password', report)
  const isSecret = Object.hasOwn(credentials, 'secret')
  const odd = isSecret ? 'user' : 'keys'
  if (!Object.hasOwn(credentials, odd)) return
  const hint = isSecret ? 'name its key: keys: { user: username }' : 'write user: NAME'
  report([odd], {
    code: 'SPEC_DEPENDENCY_FIELD',
    message: `"${odd}" does not go with ${isSecret ? 'secret' : 'env and command'}`,
    hint,
  })
}

function exactlyOne(fields: Fields, sources: string[], what: string, report: Report): void {
  const found = sources.filter((name) => Object.hasOwn(fields, name))
  if (found.length === 1) return
  const list = sources.join(', ')
  if (found.length === 0) {
    const message = `nothing says where the ${what} comes from`
    report([], { code: 'SPEC_NO_SOURCE', message, hint: `give one of ${list}` })
  } else {
    const message = `the ${what} has ${found.length} sources: ${found.join(', ')}`
    report([found[1]!], { code: 'SPEC_TWO_SOURCES', message, hint: 'keep exactly one' })
  }
}
