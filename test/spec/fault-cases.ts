import type { Files } from './support.ts'

export interface FaultCase {
  title: string
  files: string | Files
  /** `CODE line:column` of every fault, in order. */
  faults: string[]
  environment?: string
}

const NODE = 'name: orders\nlanguage: node\n'
const one = (service: string, more: Files = {}): Files => ({ 'service.yaml': NODE + service, ...more })
const pair = (orders: string, billing: string): Files => ({
  'shiv.yaml': 'name: shop\n',
  'billing/service.yaml': `name: billing\nlanguage: node\n${billing}`,
  'orders/service.yaml': NODE + orders,
})

/** A value that the schema leaves to its author. */
const free = (value: string): string => `patches: [{ target: { kind: Pod }, op: add, path: /a, why: b, value: ${value} }]\n`

const bomb = `name: orders
language: node
patches:
  - { target: { kind: Pod }, op: add, path: /a, why: b, value: &a [x, x, x, x, x, x, x, x, x, x] }
  - { target: { kind: Pod }, op: add, path: /b, why: b, value: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a] }
  - { target: { kind: Pod }, op: add, path: /c, why: b, value: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b] }
  - { target: { kind: Pod }, op: add, path: /d, why: b, value: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c] }
  - { target: { kind: Pod }, op: add, path: /e, why: b, value: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d] }
`

/** One bad input each; the golden file of that title holds how it is shown. */
export const CASES: FaultCase[] = [
  { title: 'unknown field', files: one('scalling:\n  min_replicas: 2\n'), faults: ['SPEC_UNKNOWN_FIELD 3:1'] },
  { title: 'unknown field below', files: one('scaling:\n  min_replica: 2\n'), faults: ['SPEC_UNKNOWN_FIELD 4:3'] },
  { title: 'wrong type', files: one('scaling:\n  min_replicas: [2]\n'), faults: ['SPEC_WRONG_TYPE 4:17'] },
  { title: 'number in quotes', files: one('scaling:\n  min_replicas: "2"\n'), faults: ['SPEC_WRONG_TYPE 4:17'] },
  { title: 'map where a list belongs', files: one('workers:\n  name: mailer\n'), faults: ['SPEC_WRONG_TYPE 4:3'] },
  { title: 'database without a name', files: one('databases:\n  - postgres\n'), faults: ['SPEC_WRONG_TYPE 4:5'] },
  { title: 'bad percent', files: one('scaling:\n  cpu_target: 170%\n'), faults: ['SPEC_BAD_PERCENT 4:15'] },
  { title: 'percent as a number', files: one('scaling:\n  cpu_target: 70\n'), faults: ['SPEC_BAD_PERCENT 4:15'] },
  { title: 'min above max', files: one('scaling:\n  min_replicas: 5\n  max_replicas: 2\n'), faults: ['SPEC_MIN_MAX 4:17'] },
  {
    title: 'min above max in another environment',
    files: one('scaling: { max_replicas: 3 }\nenvironments:\n  staging:\n    scaling: { min_replicas: 5 }\n'),
    faults: ['SPEC_MIN_MAX 6:30'],
  },
  {
    title: 'request above limit',
    files: one('resources: { memory: 1Gi, memory_limit: 512Mi }\n'),
    faults: ['SPEC_MIN_MAX 3:22'],
  },
  {
    title: 'deploying in a way that is not known',
    files: {
      'shiv.yaml': `name: shop\nenvironments:\n  staging: { rollout: { strategy: canary, timeout: soon }, public_url: 'ftp://example.com' }\n`,
      'orders/service.yaml': NODE,
    },
    faults: ['SPEC_BAD_VALUE shiv.yaml:3:35', 'SPEC_BAD_DURATION shiv.yaml:3:52', 'SPEC_BAD_VALUE shiv.yaml:3:72'],
  },
  { title: 'duplicate key', files: one('port: 3000\nport: 4000\n'), faults: ['SPEC_DUPLICATE_KEY 4:1'] },
  { title: 'tab indentation', files: one('scaling:\n\tmin_replicas: 2\n'), faults: ['SPEC_TAB 4:1'] },
  { title: 'alias bomb', files: bomb, faults: ['SPEC_ALIAS_BOMB 7:96'] },
  { title: 'alias to itself', files: one(free('&a { again: *a }')), faults: ['SPEC_UNKNOWN_ALIAS 3:82'] },
  {
    title: 'not UTF-8',
    files: {
      'service.yaml': Buffer.concat([Buffer.from('name: orders\nlanguage: n'), Buffer.from([0xf6]), Buffer.from('de\n')]),
    },
    faults: ['SPEC_NOT_UTF8 2:12'],
  },
  { title: 'empty file', files: '', faults: ['SPEC_EMPTY 1:1'] },
  { title: 'only a comment', files: '# later\n', faults: ['SPEC_EMPTY 1:1'] },
  { title: 'a list at the top', files: '- name: orders\n', faults: ['SPEC_WRONG_TYPE 1:1'] },
  { title: 'no name', files: 'language: node\n', faults: ['SPEC_MISSING_FIELD 1:1'] },
  { title: 'no language', files: 'name: orders\n', faults: ['SPEC_MISSING_FIELD 1:1'] },
  {
    title: 'two services of one name',
    files: { 'shiv.yaml': 'name: shop\n', 'a/service.yaml': NODE, 'b/service.yaml': NODE },
    faults: ['SPEC_DUPLICATE_SERVICE b/service.yaml:1:7'],
  },
  { title: 'unknown language', files: 'name: orders\nlanguage: nod\n', faults: ['SPEC_UNKNOWN_LANGUAGE 2:11'] },
  { title: 'unknown database', files: one('databases:\n  - postgress: user-db\n'), faults: ['SPEC_UNKNOWN_DATABASE 4:5'] },
  {
    title: 'unknown platform',
    files: one('', { 'shiv.yaml': 'name: shop\nplatform: defualt\n' }),
    faults: ['SPEC_UNKNOWN_PLATFORM shiv.yaml:2:11'],
  },
  { title: 'unknown environment', files: one(''), environment: 'prodution', faults: ['SPEC_UNKNOWN_ENVIRONMENT'] },
  {
    title: 'override of an unknown environment',
    files: one('environments:\n  stagin: { port: 1 }\n', { 'shiv.yaml': 'name: shop\nenvironments: { staging: {} }\n' }),
    faults: ['SPEC_UNKNOWN_ENVIRONMENT 4:3'],
  },
  {
    title: 'a preset with a fault',
    files: one('', { 'presets/languages/rust.yaml': 'port: 8080\nbuilt: {}\n' }),
    faults: [
      'SPEC_MISSING_FIELD presets/languages/rust.yaml:1:1',
      'SPEC_MISSING_FIELD presets/languages/rust.yaml:1:1',
      'SPEC_MISSING_FIELD presets/languages/rust.yaml:1:1',
      'SPEC_UNKNOWN_FIELD presets/languages/rust.yaml:2:1',
    ],
  },
  { title: 'not an RFC 1123 name', files: 'name: Orders_API\nlanguage: node\n', faults: ['SPEC_BAD_NAME 1:7'] },
  {
    title: 'placeholder that names nothing',
    files: one('databases:\n  - postgres: user-db\nenv:\n  DB: { value: "pg ${databases.user-bd.host} now" }\n'),
    faults: ['SPEC_UNKNOWN_REFERENCE 6:20'],
  },
  {
    title: 'third placeholder of a text',
    files: one('databases: [{ postgres: db }]\nenv: { A: "${databases.db.url} $${x} ${databases.bd.url}" }\n'),
    faults: ['SPEC_UNKNOWN_REFERENCE 4:38'],
  },
  { title: 'placeholder of no kind', files: one('env:\n  A: "${HOME}/x"\n'), faults: ['SPEC_BAD_REFERENCE 4:7'] },
  {
    title: 'placeholder field',
    files: one('databases: [{ redis: cache }]\nenv:\n  A: ${databases.cache.user}\n  B: ${databases.cache.urll}\n'),
    faults: ['SPEC_BAD_REFERENCE 5:6', 'SPEC_BAD_REFERENCE 6:6'],
  },
  {
    title: 'from an unknown service',
    files: pair('env: { A: { from: service.biling.url } }\n', ''),
    faults: ['SPEC_UNKNOWN_REFERENCE orders/service.yaml:3:19'],
  },
  { title: 'unterminated placeholder', files: one('env:\n  A: "a ${databases.user-db"\n'), faults: ['SPEC_UNTERMINATED 4:9'] },
  {
    title: 'placeholder in a block of lines',
    files: one('env:\n  A: |\n    first\n    second ${databases.nope.url}\n'),
    faults: ['SPEC_UNKNOWN_REFERENCE 6:12'],
  },
  {
    title: 'dependency cycle',
    files: pair('dependencies: [billing]\n', 'dependencies: [orders]\n'),
    faults: ['SPEC_DEPENDENCY_CYCLE orders/service.yaml:3:16'],
  },
  { title: 'dependency on itself', files: one('dependencies: [orders]\n'), faults: ['SPEC_DEPENDENCY_CYCLE 3:16'] },
  {
    title: 'unknown dependency',
    files: pair('dependencies: [biling]\n', ''),
    faults: ['SPEC_UNKNOWN_SERVICE orders/service.yaml:3:16'],
  },
  { title: 'context outside', files: one('build: { context: ../../etc }\n'), faults: ['SPEC_OUTSIDE_WORKSPACE 3:19'] },
  {
    title: 'dockerfile outside',
    files: one('build: { dockerfile: ../../etc/passwd }\n'),
    faults: ['SPEC_OUTSIDE_WORKSPACE 3:22'],
  },
  { title: 'absolute path outside', files: one('build: { dockerfile: /etc/passwd }\n'), faults: ['SPEC_OUTSIDE_WORKSPACE 3:22'] },
  {
    title: 'service outside',
    files: { 'shiv.yaml': 'name: shop\nservices:\n  - ../../etc/passwd\n  - ../*\n  - "*/../.."\n' },
    faults: [
      'SPEC_OUTSIDE_WORKSPACE shiv.yaml:3:5',
      'SPEC_OUTSIDE_WORKSPACE shiv.yaml:4:5',
      'SPEC_OUTSIDE_WORKSPACE shiv.yaml:5:5',
    ],
  },
  { title: 'dockerfile missing', files: one('build: { dockerfile: Dockerfile.prod }\n'), faults: ['SPEC_FILE_NOT_FOUND 3:22'] },
  {
    title: 'image and dockerfile',
    files: one('build: { image: ghcr.io/x/y:1, dockerfile: Dockerfile }\n', { Dockerfile: '' }),
    faults: ['SPEC_TWO_BUILDS 3:44'],
  },
  { title: 'two sources', files: one('env:\n  A: { value: x, secret: stripe }\n'), faults: ['SPEC_TWO_SOURCES 4:26'] },
  { title: 'no source', files: one('env:\n  A: {}\n'), faults: ['SPEC_NO_SOURCE 4:3'] },
  { title: 'nothing after the colon', files: one('env:\n  A:\n'), faults: ['SPEC_WRONG_TYPE 4:3'] },
  { title: 'key without secret', files: one('env:\n  A: { value: x, key: k }\n'), faults: ['SPEC_KEY_WITHOUT_SECRET 4:23'] },
  { title: 'bad env name', files: one('env:\n  1ST: x\n  A-B: x\n'), faults: ['SPEC_BAD_ENV_NAME 4:3', 'SPEC_BAD_ENV_NAME 5:3'] },
  { title: 'bad cron', files: one('cron: [{ name: n, schedule: "0 25 * * *", command: x }]\n'), faults: ['SPEC_BAD_CRON 3:29'] },
  {
    title: 'cron of four fields',
    files: one('cron: [{ name: n, schedule: "0 3 * *", command: x }]\n'),
    faults: ['SPEC_BAD_CRON 3:29'],
  },
  {
    title: 'bad quantity',
    files: one(
      'resources: { cpu: 100x, memory: 128mb }\ndatabases: [{ redis: { name: cache, storage: big } }]\nvolumes: [{ name: d, path: /d, size: -1Gi }]\n',
    ),
    faults: ['SPEC_BAD_QUANTITY 3:19', 'SPEC_BAD_QUANTITY 3:33', 'SPEC_BAD_QUANTITY 4:46', 'SPEC_BAD_QUANTITY 5:38'],
  },
  { title: 'port 0', files: one('port: 0\n'), faults: ['SPEC_BAD_PORT 3:7'] },
  { title: 'port 70000', files: one('port: 70000\n'), faults: ['SPEC_BAD_PORT 3:7'] },
  { title: 'port as text', files: one('port: "3000"\n'), faults: ['SPEC_WRONG_TYPE 3:7'] },
  {
    title: 'duplicate port',
    files: one('ports:\n  - { name: http, port: 8080 }\n  - { name: admin, port: 8080 }\n  - { name: http, port: 9 }\n'),
    faults: ['SPEC_DUPLICATE_PORT 5:26', 'SPEC_DUPLICATE_NAME 6:13'],
  },
  {
    title: 'port of the metrics',
    files: one('port: 9090\nobservability: { metrics: prometheus }\n'),
    faults: ['SPEC_DUPLICATE_PORT 4:18'],
  },
  { title: 'health of a worker', files: one('ports: []\nhealth: /healthz\n'), faults: ['SPEC_NO_PORT 4:1'] },
  {
    title: 'database named like a service',
    files: one('databases: [{ postgres: orders }]\n'),
    faults: ['SPEC_DUPLICATE_NAME 3:25'],
  },
  {
    title: 'database of two versions',
    files: pair(
      'databases: [{ postgres: { name: db, version: 15 } }]\n',
      'databases: [{ postgres: { name: db, version: 16 } }]\n',
    ),
    faults: ['SPEC_DATABASE_CONFLICT orders/service.yaml:3:25'],
  },
  {
    title: 'patch without why',
    files: one('patches:\n  - { target: { kind: Deployment }, op: remove, path: /spec/replicas }\n'),
    faults: ['SPEC_MISSING_FIELD 4:5'],
  },
  {
    title: 'patch without a value',
    files: one('patches:\n  - { target: { kind: Deployment }, op: add, path: /spec/x, why: because }\n'),
    faults: ['SPEC_MISSING_FIELD 4:5'],
  },
  { title: 'no service', files: { 'readme.txt': '' }, faults: ['SPEC_SERVICE_NOT_FOUND'] },
  {
    title: 'workspace without a service',
    files: { 'shiv.yaml': 'name: shop\n' },
    faults: ['SPEC_SERVICE_NOT_FOUND shiv.yaml:1:1'],
  },
  {
    title: 'service entry without a file',
    files: { 'shiv.yaml': 'name: shop\nservices: [orders, "b*"]\n', 'orders/x': '', 'bill/x': '' },
    faults: ['SPEC_SERVICE_NOT_FOUND shiv.yaml:2:12', 'SPEC_SERVICE_NOT_FOUND shiv.yaml:2:20'],
  },
  { title: 'several documents', files: `${NODE}---\nname: billing\n`, faults: ['SPEC_MULTIPLE_DOCUMENTS 3:1'] },
  { title: 'huge file', files: `name: orders\n# ${'x'.repeat(1024 * 1024)}\n`, faults: ['SPEC_TOO_LARGE 1:1'] },
  {
    title: 'proto key',
    files: one(`__proto__: { polluted: true }\n${free('{ a: { __proto__: 1 } }')}`),
    faults: ['SPEC_FORBIDDEN_KEY 3:1', 'SPEC_FORBIDDEN_KEY 4:77'],
  },
  { title: 'norway', files: one('observability: { logging: no }\n'), faults: ['SPEC_BAD_VALUE 3:27'] },
  { title: 'unclosed quote in a command', files: one('command: echo "x\n'), faults: ['SPEC_BAD_COMMAND 3:10'] },
  { title: 'merge key', files: one('reload: &r {}\nscaling: { <<: *r }\n'), faults: ['SPEC_UNKNOWN_FIELD 4:12'] },
  { title: 'unclosed bracket', files: one('command: [node\nport: 3000\n'), faults: ['SPEC_YAML 4:1'] },
  {
    title: 'deep nesting',
    files: one(free(`{ a: ${'['.repeat(100)}${']'.repeat(100)} }`)),
    faults: ['SPEC_TOO_DEEP 3:136'],
  },
  { title: 'reload setting that is unknown', files: one('reload: { restrat: none }\n'), faults: ['SPEC_UNKNOWN_FIELD 3:11'] },
  { title: 'reload restart that is unknown', files: one('reload: { restart: proces }\n'), faults: ['SPEC_BAD_VALUE 3:20'] },
  { title: 'reload that is on', files: one('reload: on\n'), faults: ['SPEC_BAD_VALUE 3:9'] },
  {
    title: 'signal that ends a process',
    files: one('reload: { restart: { signal: SIGKILL } }\n'),
    faults: ['SPEC_BAD_SIGNAL 3:30'],
  },
  {
    title: 'preloads of what is not installed',
    files: one('reload: { preload: [fastify, ./src/routes.js, "node_modules/../x"] }\n'),
    faults: ['SPEC_BAD_MODULE 3:30', 'SPEC_BAD_MODULE 3:47'],
  },
  {
    title: 'a preload that no spare loads',
    files: one('reload: { spare: none, preload: [fastify] }\n'),
    faults: ['SPEC_NO_SPARE 3:24'],
  },
  {
    title: 'globs that are wrong',
    files: one('reload:\n  rules:\n    - { files: [../lib/**, /etc/x, "!a", ./b, "", "x[", "y{a,b"], do: ignore }\n'),
    faults: [
      'SPEC_BAD_GLOB 5:17',
      'SPEC_BAD_GLOB 5:28',
      'SPEC_BAD_GLOB 5:36',
      'SPEC_BAD_GLOB 5:42',
      'SPEC_BAD_GLOB 5:47',
      'SPEC_BAD_GLOB 5:51',
      'SPEC_BAD_GLOB 5:57',
    ],
  },
  {
    title: 'build rule without run and sync',
    files: one('reload:\n  rules:\n    - { files: [src/**], do: build }\n'),
    faults: ['SPEC_MISSING_FIELD 5:7', 'SPEC_MISSING_FIELD 5:7'],
  },
  {
    title: 'rule with fields of another',
    files: one('reload:\n  rules:\n    - { files: [a], do: ignore, restart: none }\n    - { files: [b], do: sync, run: make }\n'),
    faults: ['SPEC_RULE_FIELD 5:42', 'SPEC_RULE_FIELD 6:36'],
  },
  {
    title: 'rule that never decides',
    files: one(
      'reload:\n  rules:\n    - { files: [a.txt, b.txt], do: ignore }\n    - { files: [b.txt], do: image }\n    - { files: ["**/*"], do: sync }\n    - { files: ["*.md"], do: ignore }\n',
    ),
    faults: ['SPEC_UNREACHABLE_RULE 6:9', 'SPEC_UNREACHABLE_RULE 8:9'],
  },
  {
    title: 'sync to a relative path',
    files: one('reload:\n  rules:\n    - { files: [a], do: sync, to: app }\n'),
    faults: ['SPEC_BAD_PATH 5:35'],
  },
  {
    title: 'sync out of the code folder',
    files: one(
      'reload:\n  rules:\n    - { files: [a], do: sync, to: /etc/app }\n    - { files: [b], do: build, run: make, sync: { from: ../x, to: /app/../etc } }\n    - { files: [c], do: build, run: make, sync: { from: x, to: /application } }\n',
    ),
    faults: ['SPEC_OUTSIDE_WORKDIR 5:35', 'SPEC_BAD_PATH 6:57', 'SPEC_BAD_PATH 6:67', 'SPEC_OUTSIDE_WORKDIR 7:64'],
  },
  {
    title: 'sync into an image of unknown folders',
    files: one('build: { dockerfile: Dockerfile }\nreload:\n  rules:\n    - { files: [a], do: sync }\n', {
      Dockerfile: 'FROM scratch\n',
    }),
    faults: ['SPEC_MISSING_FIELD 6:7'],
  },
  {
    title: 'bad rule of another environment',
    files: one('environments:\n  staging:\n    reload: { rules: [{ files: [a], do: synk }] }\n'),
    faults: ['SPEC_BAD_VALUE 5:41'],
  },
  {
    title: 'installs in a container without what they make, and outside of the folder',
    files: {
      'service.yaml': `name: orders
language: node
reload:
  rules:
    - { files: [a], do: install, run: x, image: "x:1" }
    - { files: [b], do: install, run: x, makes: m, reads: [c] }
    - { files: [d], do: install, run: x, image: "x:1", makes: ../m }
    - { files: [e], do: sync, makes: m }
`,
    },
    faults: ['SPEC_MISSING_FIELD 5:7', 'SPEC_MISSING_FIELD 6:7', 'SPEC_BAD_PATH 7:63', 'SPEC_RULE_FIELD 8:38'],
  },
  {
    title: 'rules of a preset that are wrong',
    files: {
      'shiv.yaml': 'name: shop\n',
      'orders/service.yaml': NODE,
      'presets/languages/lisp.yaml': `port: 80
build: { dockerfile: FROM x, ignore: [], user: 1, command: [], workdir: /app }
process: { needs: [], prepare: [], run: [] }
health: { path: / }
reload: { rules: [{ files: [a], do: sync }] }
variants: [{ name: v, when: { file: x }, reload: { spare: ruby } }]
`,
    },
    faults: ['SPEC_MISSING_FIELD presets/languages/lisp.yaml:5:19', 'SPEC_BAD_VALUE presets/languages/lisp.yaml:6:59'],
  },
  {
    title: 'everything at once',
    files: `name: Orders\nlanguage: nod\nport: 0\nscaling: { min_replicas: 3, max_replicas: 2, cpu_target: 0% }\nenv:\n  A: \${nothing}\n  B: {}\ndatabases:\n  - oracle: db\nbuild: { context: ../.. }\ncolour: red\n`,
    faults: [
      'SPEC_BAD_NAME 1:7',
      'SPEC_UNKNOWN_LANGUAGE 2:11',
      'SPEC_BAD_PORT 3:7',
      'SPEC_MIN_MAX 4:26',
      'SPEC_BAD_PERCENT 4:58',
      'SPEC_BAD_REFERENCE 6:6',
      'SPEC_NO_SOURCE 7:3',
      'SPEC_UNKNOWN_DATABASE 9:5',
      'SPEC_OUTSIDE_WORKSPACE 10:19',
      'SPEC_UNKNOWN_FIELD 11:1',
    ],
  },
]
