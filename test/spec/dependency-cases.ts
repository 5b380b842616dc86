import type { FaultCase } from './fault-cases.ts'
import type { Files } from './support.ts'

/** A workspace with a staging environment and one service; the entry is line 4 of its file, from column 5 on. */
export function staged(entry: string, shiv = '', more: Files = {}): Files {
  return {
    'shiv.yaml': `name: shop
environments:
  staging: { context: kind-staging, namespace: shop, domain: staging.example.com }
${shiv}`,
    'service.yaml': `name: orders\nlanguage: node\ndependencies:\n  - ${entry}\n`,
    ...more,
  }
}

const URL = 'https://billing.staging.example.com'
const PRODUCTION = '  production: { context: prod, domain: example.com }\n'
const other = (name: string, entry: string): Files => ({
  [`${name}/service.yaml`]: `name: ${name}\nlanguage: node\n${entry}`,
})
/** Beside a lone service, in a workspace. */
const beside = (entry: string, more: Files): Files => staged(entry, '', more)

export const DEPENDENCY_CASES: FaultCase[] = [
  { title: 'dependency that leads nowhere', files: staged('billing: { mode: staging }'), faults: ['SPEC_BAD_DEPENDENCY 4:5'] },
  {
    title: 'dependency that leads to two places',
    files: staged(`billing: { http: ${URL}, service: billing }`),
    faults: ['SPEC_BAD_DEPENDENCY 4:68'],
  },
  {
    title: 'two dependencies in one entry',
    files: staged(`{ billing: { http: ${URL} }, search: { http: ${URL} } }`),
    faults: ['SPEC_BAD_DEPENDENCY 4:63'],
  },
  {
    title: 'unknown field of a dependency',
    files: staged(`billing: { http: ${URL}, readonly: true }`),
    faults: ['SPEC_UNKNOWN_FIELD 4:59'],
  },
  { title: 'dependency with a bad name', files: staged(`Billing: { http: ${URL} }`), faults: ['SPEC_BAD_NAME 4:5'] },
  { title: 'unknown mode', files: staged(`billing: { http: ${URL}, mode: stagging }`), faults: ['SPEC_BAD_VALUE 4:65'] },
  {
    title: 'field of another target',
    files: staged('queue: { tcp: "queue.staging.example.com:5672", read_only: false, auth: { bearer: { env: TOKEN } } }'),
    faults: ['SPEC_DEPENDENCY_FIELD 4:71'],
  },
  { title: 'dependency without a URL', files: staged('billing: { http: billing.staging }'), faults: ['SPEC_BAD_URL 4:22'] },
  {
    title: 'credentials in a URL',
    files: staged('billing: { http: "https://me:geheim@billing.staging.example.com" }'),
    faults: ['SPEC_URL_CREDENTIALS 4:22'],
  },
  {
    title: 'token in a header',
    files: staged(`billing: { http: ${URL}, headers: { request: { set: { Authorization: Bearer abc } } } }`),
    faults: ['SPEC_SECRET_IN_TEXT 4:103'],
  },
  {
    title: 'token as text',
    files: staged(`billing: { http: ${URL}, auth: { bearer: s3cret } }`),
    faults: ['SPEC_SECRET_IN_TEXT 4:75'],
  },
  {
    title: 'URL with a line break',
    files: staged('billing: { http: "https://b.test\\nx" }'),
    faults: ['SPEC_BAD_URL 4:22'],
  },
  {
    title: 'two sources of a token',
    files: staged(`billing: { http: ${URL}, auth: { bearer: { env: A, kube_context: b } } }`),
    faults: ['SPEC_TWO_SOURCES 4:99'],
  },
  {
    title: 'bad duration',
    files: staged(`billing: { http: ${URL}, timeouts: { connect: 2 seconds } }`),
    faults: ['SPEC_BAD_DURATION 4:80'],
  },
  {
    title: 'fault rate above one',
    files: staged(`billing: { http: ${URL}, faults: { error_rate: 5 } }`),
    faults: ['SPEC_BAD_PERCENT 4:81'],
  },
  {
    title: 'exception without a reason',
    files: staged(`billing: { http: ${URL}, allow: [{ method: POST, path: /search }] }`),
    faults: ['SPEC_MISSING_FIELD 4:67'],
  },
  {
    title: 'bytes that cannot be guarded',
    files: staged('queue: { tcp: "queue.staging.example.com:5672" }'),
    faults: ['SPEC_UNGUARDED 4:19'],
  },
  {
    title: 'database that cannot be guarded',
    files: staged('books: { database: book-db, type: mysql }'),
    faults: ['SPEC_UNGUARDED 4:39'],
  },
  {
    title: 'database dependency without a type',
    files: staged('users: { database: users-db }'),
    faults: ['SPEC_MISSING_FIELD 4:5'],
  },
  {
    title: 'database dependency of unknown type',
    files: staged('users: { database: users-db, type: postgress }'),
    faults: ['SPEC_UNKNOWN_DATABASE 4:40'],
  },
  {
    title: 'unknown environment of a dependency',
    files: staged('ledger: { service: ledger.payments, env: stagging }'),
    faults: ['SPEC_UNKNOWN_ENVIRONMENT 4:46'],
  },
  {
    title: 'environment that is not defined',
    files: { 'service.yaml': 'name: orders\nlanguage: node\ndependencies:\n  - ledger: { service: ledger.payments }\n' },
    faults: ['SPEC_UNKNOWN_ENVIRONMENT 4:24'],
  },
  {
    title: 'environment without a context',
    files: staged('ledger: { service: ledger, env: qa }', '  qa: { namespace: shop }\n'),
    faults: ['SPEC_NO_CONTEXT 4:37'],
  },
  {
    title: 'production as a target',
    files: staged('ledger: { service: ledger, env: production }', PRODUCTION),
    faults: ['SPEC_PRODUCTION_TARGET 4:37'],
  },
  {
    title: 'production by its domain',
    files: staged('billing: { http: https://billing.example.com }', PRODUCTION),
    faults: ['SPEC_PRODUCTION_TARGET 4:22'],
  },
  {
    title: 'another environment that is production',
    files: staged('ledger: { service: ledger, env: live }', '  live: { context: live, production: true }\n'),
    faults: ['SPEC_PRODUCTION_TARGET 4:37'],
  },
  {
    title: 'writes to production',
    files: staged(
      'ledger: { service: ledger, env: production, read_only: false }',
      '  production: { context: prod, allow_production: { read_only: true, why: real amounts } }\n',
    ),
    faults: ['SPEC_PRODUCTION_WRITE 4:49'],
  },
  {
    title: 'production allowed without a reason',
    files: staged('billing', '  production: { allow_production: read_only }\n', other('billing', '')),
    faults: ['SPEC_MISSING_FIELD shiv.yaml:4:35'],
  },
  {
    title: 'local without a place',
    files: staged(`billing: { http: ${URL}, mode: local }`),
    faults: ['SPEC_MISSING_FIELD 4:65'],
  },
  {
    title: 'local on another machine',
    files: staged(`billing: { http: ${URL}, local: "http://10.0.0.7:3000" }`),
    faults: ['SPEC_BAD_URL 4:66'],
  },
  {
    title: 'local service that is not there',
    files: beside(`invoices: { http: ${URL}, local: biling }`, other('billing', '')),
    faults: ['SPEC_UNKNOWN_REFERENCE 4:67'],
  },
  {
    title: 'dependency named as a service',
    files: beside(`billing: { http: ${URL} }`, other('billing', '')),
    faults: ['SPEC_DUPLICATE_NAME 4:5'],
  },
  {
    title: 'dependency that two services mean differently',
    files: beside(`billing: { http: ${URL} }`, other('web', `dependencies:\n  - billing: { http: ${URL}, mode: replay }\n`)),
    faults: ['SPEC_DEPENDENCY_CONFLICT web/service.yaml:4:5'],
  },
  {
    title: 'recording outside of the workspace',
    files: staged(`billing: { http: ${URL}, recording: { file: ../billing.har } }`),
    faults: ['SPEC_OUTSIDE_WORKSPACE 4:78'],
  },
  {
    title: 'certificate that is not there',
    files: staged(`billing: { http: ${URL}, tls: { ca: certs/staging.pem } }`),
    faults: ['SPEC_FILE_NOT_FOUND 4:70'],
  },
  {
    title: 'grpc service without a port',
    files: staged('ledger: { service: ledger.payments, protocol: grpc }'),
    faults: ['SPEC_NO_PORT 4:24'],
  },
  {
    title: 'placeholder of an unknown dependency',
    files: {
      'service.yaml':
        'name: orders\nlanguage: node\nenv:\n  A: { from: dependency.biling.url }\n  B: ${dependencies.billing.user}\ndependencies:\n  - billing: { http: https://b.example.com }\n',
    },
    faults: ['SPEC_UNKNOWN_REFERENCE 4:14', 'SPEC_BAD_REFERENCE 5:6'],
  },
]
