import * as z from 'zod'
import { checkAuth, checkCredentials, checkDependency, checkDependencyEntry, checkHeaders } from './dependency-checks.ts'
import { DURATION, parseDuration } from './duration.ts'
import {
  across,
  closed,
  command,
  count,
  envName,
  label,
  pattern,
  quantity,
  rule,
  scalar,
  secretKey,
  text,
  urlPath,
} from './rules.ts'

const duration = rule(z.string(), (value) => parseDuration(value) !== undefined, {
  code: 'SPEC_BAD_DURATION',
  message: (value) => `"${value}" is not a duration`,
  hint: 'write it like 500ms, 2s or 1m',
}).meta({ pattern: DURATION.source })

const RATE = /^(100|\d{1,2}(\.\d+)?)%$/

/** 0 to 1, or a percentage. */
const rate = rule(
  z.union([z.number(), z.string()]),
  (value) => (typeof value === 'number' ? value >= 0 && value <= 1 : RATE.test(value)),
  {
    code: 'SPEC_BAD_PERCENT',
    message: (value) => `"${value}" is not a part of the whole`,
    hint: 'write it like 5% or 0.05',
  },
).meta({
  anyOf: [
    { type: 'number', minimum: 0, maximum: 1 },
    { type: 'string', pattern: RATE.source },
  ],
})

const headerName = pattern(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, {
  code: 'SPEC_BAD_NAME',
  message: (value) => `"${value}" is not the name of a header`,
  hint: 'use letters, digits and "-"',
})

const headerRules = across(
  closed({
    set: z.record(headerName, scalar).optional(),
    remove: z.array(headerName).optional(),
  }),
  checkHeaders,
)

const bearer = across(
  closed({
    command: command.describe('Prints the token, or an ExecCredential').optional(),
    env: envName.describe('A variable of your shell or of .env.local').optional(),
    kube_context: text.describe('The token or exec credential of a context of the kubeconfig').optional(),
  }),
  checkAuth,
).meta({ oneOf: ['command', 'env', 'kube_context'].map((name) => ({ required: [name] })) })

/** A token itself, which is told as what it is and not repeated. */
const token = rule(z.string(), () => false, {
  code: 'SPEC_SECRET_IN_TEXT',
  message: () => 'a token is never written here',
  hint: 'say where it comes from: bearer: { env: BILLING_TOKEN }',
}).meta({ not: {} })

export const auth = closed({ bearer: z.union([bearer, token]) })

const allowance = closed({
  method: pattern(/^[A-Z]+$/, {
    code: 'SPEC_BAD_VALUE',
    message: (value) => `"${value}" is not an HTTP method`,
    hint: 'write it in capitals: POST',
  }).optional(),
  path: urlPath.describe('* stands for one part, ** for any number; of gRPC /package.Service/Method'),
  why: text.describe('Printed at every start'),
})

const jsonPath = pattern(/^\$(\.{1,2}(\*|[\w-]+)|(\.\.)?\[(\*|\d+|'[^']*'|"[^"]*")\])+$/, {
  code: 'SPEC_BAD_PATH',
  message: (value) => `"${value}" is not a JSON path`,
  hint: 'write it like $.customer.email or $.items[*].id',
})

const expression = rule(text, isExpression, {
  code: 'SPEC_BAD_FORMAT',
  message: (value) => `"${value}" is not a regular expression`,
  hint: 'put a backslash before each of ( ) [ ] { } + * ? . that stands for itself',
})

function isExpression(value: string): boolean {
  try {
    return RegExp(value) instanceof RegExp
  } catch {
    return false
  }
}

const recording = closed({
  file: text.describe('Relative to the workspace; recordings/NAME.har by default').optional(),
  ignore: closed({
    query: z.array(text).optional(),
    headers: z.array(headerName).optional(),
    body: z.array(jsonPath).optional(),
  })
    .describe('What does not count when a request is matched')
    .optional(),
  redact: closed({
    headers: z.array(headerName).optional(),
    cookies: z.array(text).optional(),
    body: z.array(jsonPath).optional(),
    patterns: z.array(expression).optional(),
  })
    .describe('What is never written, beyond what never is')
    .optional(),
  order: z.enum(['any', 'ordered']).optional(),
  missing: z.enum(['record', 'refuse']).describe('What becomes of a request that the recording does not have').optional(),
})

const credentials = across(
  closed({
    secret: label.describe('A Secret of the other environment').optional(),
    keys: closed({ user: secretKey.optional(), password: secretKey.optional(), name: secretKey.optional() }).optional(),
    env: envName.describe('A variable of your shell or of .env.local that holds the password').optional(),
    command: command.describe('Prints the password').optional(),
    user: text.optional(),
  }),
  checkCredentials,
)

const remote = across(
  closed({
    http: text.describe('A URL').optional(),
    grpc: text.describe('A URL').optional(),
    tcp: text.describe('host:port').optional(),
    service: text.describe('A Service of the other environment: NAME[.NAMESPACE][:PORT]').optional(),
    database: label.describe('A database of the other environment').optional(),
    protocol: z.enum(['http', 'grpc', 'tcp']).describe('What the service speaks; http by default').optional(),
    type: text.describe('A database preset').optional(),
    env: text.describe('An environment of shiv.yaml; staging where there is one').optional(),
    mode: z.enum(['local', 'staging', 'record', 'replay']).optional(),
    local: text
      .describe('What mode local leads to: a service or database of the workspace, or an address of this machine')
      .optional(),
    production: text.describe("Production's own address, where this is not it").optional(),
    read_only: z.boolean().describe('true by default: nothing that writes is let through').optional(),
    allow: z.array(allowance).describe('What passes although it is no read').optional(),
    headers: closed({ request: headerRules.optional(), response: headerRules.optional() }).optional(),
    auth: auth.optional(),
    rewrite: z.array(closed({ from: urlPath, to: urlPath })).optional(),
    host: text.describe('upstream (default), local, or a name').optional(),
    forwarded: z.boolean().optional(),
    timeouts: closed({
      connect: duration.optional(),
      headers: duration.optional(),
      idle: duration.optional(),
      total: duration.optional(),
    }).optional(),
    retries: closed({ attempts: count(0, 10), budget: rate.optional() }).optional(),
    breaker: closed({ failures: count(1, 1000), cool: duration }).optional(),
    faults: closed({
      latency: closed({ p50: duration, p99: duration }).optional(),
      error_rate: rate.optional(),
      error_status: count(400, 599).optional(),
      cut_rate: rate.optional(),
      bytes_per_second: quantity.optional(),
    }).optional(),
    recording: recording.optional(),
    credentials: credentials.optional(),
    tls: closed({
      ca: text.describe('A PEM file, relative to the workspace').optional(),
      servername: text.optional(),
    }).optional(),
    hostnames: z
      .array(
        pattern(/^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, {
          code: 'SPEC_BAD_NAME',
          message: (value) => `"${value}" is not a host name`,
          hint: 'write it like billing.example.com',
        }),
      )
      .optional(),
  }),
  checkDependency,
)

/** A service of the workspace by its name, or a map of one key: something outside of it. */
export const dependency = z.union([
  label,
  across(z.record(z.string(), remote), checkDependencyEntry).meta({ minProperties: 1, maxProperties: 1 }),
])

export type RemoteEntry = z.infer<typeof remote>
