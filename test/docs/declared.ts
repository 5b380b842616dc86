/** A command of the docs that test/docs/commands.test.ts does not run as it is written. */
export interface Declared {
  /** The whole line of the page, without its comment. */
  line: string
  why: string
  /** What is run in its place. */
  instead?: string
  /** The test that runs it, and the text in it that shows so. */
  elsewhere?: { test: string; shows: string }
}

/** Every line that is here must stand in a page; every other line of a page is run. */
export const DECLARED: Declared[] = [
  {
    line: 'npm ci && npx shiv start examples/orders',
    why: 'what npm ci installs is there when tests run; the block below it runs the rest and shows what it prints',
    elsewhere: { test: 'test/e2e/pack.test.ts', shows: "['start', './orders'" },
  },
  { line: 'npm ci && npm test', why: 'this test is part of it', elsewhere: { test: '.ci/run', shows: '\nnpm test' } },
  {
    line: 'npx shiv start examples/user-service --runtime kind',
    why: 'it wants a cluster; here it runs as processes',
    instead: 'npx shiv start examples/user-service',
    elsewhere: { test: 'test/e2e/kind-user-service.test.ts', shows: "['start', '--runtime', 'kind']" },
  },
  {
    line: 'export DATABASE_URL=postgresql://app:secret@localhost/orders',
    why: "it stands for the reader's own Postgres; here the one that runs",
    instead: `export DATABASE_URL=$(shiv status --json --show-secrets | node -pe 'JSON.parse(fs.readFileSync(0)).runs[0].databases[0].url')`,
  },
  {
    line: 'npm run migrate && PORT=3000 node dist/server.js',
    why: 'the server runs until it is ended; the embedded runtime runs this very command',
    instead: 'npm run migrate',
    elsewhere: { test: 'presets/languages/node.yaml', shows: 'dist/server.js' },
  },
  {
    line: 'for i in 1 2 3 4 5 6 7 8; do (while curl -sf "$url/work?ms=100" >/dev/null; do :; done) & done',
    why: 'it never ends',
    elsewhere: { test: 'test/e2e/kind-user-service.test.ts', shows: '/work?ms=200' },
  },
  {
    line: 'kubectl --kubeconfig ~/.local/state/shiv/clusters/shiv/kubeconfig -n shiv-shop get hpa --watch',
    why: 'it wants a cluster',
    elsewhere: { test: 'test/e2e/kind-user-service.test.ts', shows: "'hpa'" },
  },
  {
    line: 'kubectl --kubeconfig ~/.local/state/shiv/clusters/shiv/kubeconfig get pods -A',
    why: 'it wants a cluster',
    elsewhere: { test: 'test/e2e/kind-user-service.test.ts', shows: "'--kubeconfig', kubeconfig" },
  },
  {
    line: 'shiv bench loop',
    why: 'it measures for a minute and more',
    elsewhere: { test: 'test/e2e/bench.test.ts', shows: "'bench', 'loop', '--runtime', 'process'" },
  },
  {
    line: 'shiv bench all --against main --gate loop.p50=+10%',
    why: 'it measures for many minutes, and wants a repository',
    elsewhere: { test: 'test/e2e/bench.test.ts', shows: "'--against', 'main', '--gate', 'loop.p50=+20%'" },
  },
  {
    line: 'shiv bench history',
    why: 'it shows what was measured before',
    elsewhere: { test: 'test/e2e/bench.test.ts', shows: "bench('history'" },
  },
  {
    line: 'shiv ci examples/orders --report shiv-report',
    why: 'it begins with nothing, and here other commands have started the workspace',
    elsewhere: { test: 'test/e2e/ci.test.ts', shows: "ci('--report', 'shiv-report')" },
  },
  {
    line: 'shiv proxy',
    why: 'it wants a staging',
    elsewhere: { test: 'test/e2e/dependencies.test.ts', shows: "blocksOf('docs/proxy.md', 'sh')" },
  },
  {
    line: 'shiv proxy tail billing --no-follow',
    why: 'it wants a staging',
    elsewhere: { test: 'test/e2e/dependencies.test.ts', shows: "blocksOf('docs/proxy.md', 'sh')" },
  },
  {
    line: 'shiv proxy mode billing local',
    why: 'it wants a staging',
    elsewhere: { test: 'test/e2e/dependencies.test.ts', shows: "blocksOf('docs/proxy.md', 'sh')" },
  },
  {
    line: 'shiv proxy mode billing --reset',
    why: 'it wants a staging',
    elsewhere: { test: 'test/e2e/dependencies.test.ts', shows: "blocksOf('docs/proxy.md', 'sh')" },
  },
  {
    line: 'shiv proxy fault billing --latency 100ms/2s --error-rate 0.1 --cut 0.05 --bandwidth 1MB/s',
    why: 'it wants a staging',
    elsewhere: { test: 'test/e2e/dependencies.test.ts', shows: "blocksOf('docs/proxy.md', 'sh')" },
  },
  {
    line: 'shiv proxy fault billing --off',
    why: 'it wants a staging',
    elsewhere: { test: 'test/e2e/dependencies.test.ts', shows: "blocksOf('docs/proxy.md', 'sh')" },
  },
  {
    line: 'shiv proxy check recordings/ledger.har',
    why: 'it wants a staging',
    elsewhere: { test: 'test/e2e/dependencies.test.ts', shows: "blocksOf('docs/proxy.md', 'sh')" },
  },
  {
    line: 'shiv proxy record-merge recordings/ledger.har recordings/ledger.har --into recordings/all.har',
    why: 'it wants a staging',
    elsewhere: { test: 'test/e2e/dependencies.test.ts', shows: "blocksOf('docs/proxy.md', 'sh')" },
  },
]
