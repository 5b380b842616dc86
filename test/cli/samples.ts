import type { DoctorResult, ParityResult, RunStatus, StartResult, WhyResult, WireEvent } from '../../src/wire/messages.ts'

/** Every sample's clock stands here: 2026-03-01 12:00:00 UTC. */
export const NOW = Date.UTC(2026, 2, 1, 12, 0, 0)

export const healthyRun: RunStatus = {
  id: 'shop-1a2b3c4d',
  workspace: { name: 'shop', root: '/home/ada/shop' },
  runtime: 'kind',
  environment: 'local',
  state: 'running',
  since: NOW - 5 * 60_000,
  services: [
    {
      name: 'orders',
      kind: 'service',
      replicas: [
        {
          id: 'orders-7d9f-x2x4z',
          state: 'ready',
          restarts: 0,
          since: NOW - 300_000,
          image: 'shiv.local/shop/orders:0123456789ab',
        },
        {
          id: 'orders-7d9f-k8s7q',
          state: 'ready',
          restarts: 1,
          since: NOW - 90_000,
          image: 'shiv.local/shop/orders:0123456789ab',
        },
      ],
      desired: 2,
      endpoints: {},
      debug: { protocol: 'node-inspector', host: '127.0.0.1', port: 9229 },
      url: 'http://orders.localhost:7330',
      directUrl: 'http://127.0.0.1:7331',
    },
    {
      name: 'mailer',
      kind: 'worker',
      replicas: [{ id: 'mailer-1', state: 'ready', restarts: 0, since: NOW - 300_000, pid: 4711 }],
      desired: 1,
      endpoints: {},
    },
  ],
  databases: [
    {
      name: 'orders-db',
      type: 'postgres',
      version: '17',
      state: 'ready',
      url: 'postgres://orders:s3cr3t%40word@127.0.0.1:5433/orders',
      host: '127.0.0.1',
      port: 5433,
    },
    {
      name: 'cache',
      type: 'redis',
      version: '7',
      state: 'ready',
      url: 'redis://:hunter22@127.0.0.1:6380/0',
      host: '127.0.0.1',
      port: 6380,
    },
  ],
}

export const degradedRun: RunStatus = {
  ...healthyRun,
  state: 'degraded',
  services: [
    {
      ...healthyRun.services[0]!,
      replicas: [
        healthyRun.services[0]!.replicas[0]!,
        {
          id: 'orders-7d9f-k8s7q',
          state: 'crashed',
          restarts: 4,
          since: NOW - 3_000,
          cause: 'ended with exit code 1, starting again in 8 s',
        },
      ],
    },
  ],
  databases: [{ ...healthyRun.databases[0]!, state: 'unready', cause: 'refuses connections' }],
  error: { code: 'POD_CRASHED', message: 'orders ends right after it starts.', exit: 1 },
}

export const startResult: StartResult = {
  version: 1,
  run: healthyRun,
  durationMs: 3_214,
  substitutions: [
    { id: 'image', what: 'image', production: 'registry', local: 'built here', why: 'the edit of the moment is what runs' },
    { id: 'host', what: 'host', production: 'shop.example', local: '*.localhost', why: 'no DNS needed' },
  ],
  parityScore: 92.3,
}

/** A start as the daemon tells it: two branches that overlap, a build's output, a warning. Each with the time of its arrival. */
export const startEvents: { at: number; event: WireEvent }[] = [
  { at: 0, event: { kind: 'waiting', behind: { command: 'shiv stop', pid: 4242 } } },
  { at: 10, event: step(1, 'read the workspace', 'running', 10) },
  { at: 32, event: step(1, 'read the workspace', 'done', 10, 22) },
  { at: 40, event: step(2, 'cluster shiv', 'running', 40) },
  { at: 41, event: step(3, 'images', 'running', 41) },
  { at: 42, event: step(4, 'orders', 'running', 42, undefined, 3) },
  { at: 60, event: step(5, 'create', 'running', 60, undefined, 2) },
  { at: 900, event: { kind: 'output', stream: 'stdout', text: '#5 [build 2/4] COPY package.json .\n#6 RUN npm ci\n' } },
  {
    at: 1_500,
    event: {
      ...step(4, 'orders', 'running', 42, undefined, 3),
      step: { ...step(4, 'orders', 'running', 42, undefined, 3).step, note: 'step 3 of 7' },
    },
  },
  {
    at: 2_100,
    event: {
      ...step(4, 'orders', 'done', 42, 2_058, 3),
      step: { ...step(4, 'orders', 'done', 42, 2_058, 3).step, note: 'cached' },
    },
  },
  { at: 2_101, event: step(3, 'images', 'done', 41, 2_060) },
  { at: 14_000, event: step(5, 'create', 'done', 60, 13_940, 2) },
  { at: 14_010, event: step(2, 'cluster shiv', 'done', 40, 13_970) },
  {
    at: 14_020,
    event: {
      kind: 'warning',
      code: 'DEBUG_TOOL_MISSING',
      message: 'reports starts without a debug endpoint.',
      hint: 'pip install debugpy',
    },
  },
  { at: 14_100, event: step(6, 'orders answers', 'running', 14_100) },
  { at: 14_600, event: { kind: 'health', service: 'orders', replica: 'orders-1', state: 'crashed', cause: 'exit code 1' } },
  { at: 15_000, event: step(6, 'orders answers', 'failed', 14_100, 900) },
]

function step(
  id: number,
  name: string,
  state: 'running' | 'done' | 'failed',
  startedMs: number,
  durationMs?: number,
  parent?: number,
) {
  const optional = { ...(durationMs !== undefined && { durationMs }), ...(parent !== undefined && { parent }) }
  return { kind: 'step' as const, step: { id, name, state, startedMs, ...optional } }
}

export const parityReport: ParityResult = {
  version: 1,
  workspace: 'shop',
  runtime: 'kind',
  verified: true,
  score: 78.57,
  facts: [
    fact('replicas', 'service orders', '2 to 10', '2 to 10', 'same', { verdict: 'confirmed', actual: 2 }),
    fact('read-only root filesystem', 'service orders', 'on', 'on', 'same', { verdict: 'drifted', actual: false }),
    fact(
      'image',
      'service orders',
      'from the registry',
      'built here',
      'substituted',
      { verdict: 'confirmed', actual: 'shiv.local/shop/orders' },
      'the edit of the moment is what runs',
    ),
    fact(
      'network policy',
      'namespace',
      'denies by default',
      undefined,
      'absent',
      undefined,
      'the network of kind does not enforce policies',
    ),
    fact('version', 'database orders-db', 'postgres 17', 'postgres 17', 'same', { verdict: 'unreadable' }),
  ],
}

function fact(
  title: string,
  subject: string,
  production: string,
  local: string | undefined,
  verdict: 'same' | 'substituted' | 'absent',
  live?: ParityResult['facts'][number]['live'],
  why?: string,
): ParityResult['facts'][number] {
  const id = `${subject}.${title}`.replaceAll(' ', '.')
  return { id, subject, title, production, local, verdict, weight: 1, ...(live && { live }), ...(why && { why }) }
}

export const whyResult: WhyResult = {
  version: 1,
  workspace: { name: 'shop', root: '/home/dev/shop' },
  runtime: 'kind',
  files: [
    {
      file: '/home/dev/shop/orders/src/server.ts',
      verdicts: [
        {
          services: ['orders'],
          action: 'build',
          rule: 'src/**, **/*.{ts,tsx,mts,cts}, tsconfig*.json and 2 more → build by npm run build, dist to /app/dist',
          from: 'preset node',
          targets: ['/app/src/server.ts', '/app/dist'],
          restart: 'process',
          why: 'a command of this machine makes what the containers run',
        },
      ],
    },
    {
      file: '/home/dev/shop/shared/page.html',
      verdicts: [
        {
          services: ['orders', 'users'],
          action: 'sync',
          rule: 'shared/** → sync to /app',
          from: 'service.yaml',
          position: { file: '/home/dev/shop/orders/service.yaml', line: 12, column: 7 },
          targets: ['/app/shared/page.html'],
          restart: { signal: 'SIGHUP' },
          why: 'it goes into the running containers as it is',
        },
      ],
    },
    {
      file: '/home/dev/shop/orders/odd\u001b]0;owned\u0007',
      verdicts: [
        {
          services: ['orders'],
          action: 'unmatched',
          rule: 'unmatched',
          from: 'shiv',
          targets: [],
          why: "no rule matches odd: add one to reload.rules of orders's service.yaml",
        },
      ],
    },
    { file: '/home/dev/shop/notes.txt', verdicts: [] },
  ],
}

export const doctorResult: DoctorResult = {
  version: 1,
  checks: [
    { id: 'node', title: 'Node', state: 'ok', detail: 'v20.20.2' },
    {
      id: 'docker',
      title: 'Docker',
      state: 'failed',
      detail: 'does not answer',
      hint: 'sudo systemctl start docker',
      needed: 'the kind runtime',
    },
    {
      id: 'redis',
      title: 'Redis',
      state: 'warning',
      detail: 'not on PATH',
      hint: 'sudo apt-get install redis-server',
      needed: 'redis databases of the process runtime',
    },
    { id: 'socket', title: 'Socket', state: 'fixed', detail: 'removed one that nobody listened on' },
  ],
}
