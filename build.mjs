// Bundles src into dist. The CLI is one file (and one more, below): a dozen chunks cost its start 12 ms, and what a command does not use is not run in
// either case. It is CommonJS, since Node's loader for modules takes 6 ms to load itself. The daemon carries its packages: found one
// by one in node_modules they cost its first start 190 ms. Elsewhere packages stay outside.
import { build } from 'esbuild'
import { existsSync, renameSync, rmSync } from 'node:fs'

const common = {
  outdir: 'dist.next',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  sourcemap: true,
  logLevel: 'warning',
}
/** What reads service.yaml without the daemon is a file of its own: as a part of the other it costs every command 4 ms of CPU. */
const apart = {
  name: 'apart',
  setup({ onResolve }) {
    onResolve({ filter: /\/commands\/generate\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './generate.cjs', external: true } : undefined,
    )
  },
}
const cli = {
  entryPoints: { 'cli/main': 'src/cli/main.ts', 'cli/generate': 'src/cli/commands/generate.ts' },
  plugins: [apart],
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
}
const daemon = {
  entryPoints: { 'daemon/main': 'src/daemon/main.ts' },
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  packages: 'bundle',
  // As big as all the others together, and for `exec` in a pod only.
  external: ['undici'],
  // Packages that are CommonJS ask for Node's own modules by it.
  banner: { js: "import { createRequire as requireOf } from 'node:module'\nconst require = requireOf(import.meta.url)" },
}
const bench = {
  entryPoints: {
    'bench/start': 'bench/start.ts',
    'bench/reload': 'bench/reload.ts',
    'bench/proxy': 'bench/proxy.ts',
    'bench/bench': 'bench/bench.ts',
    'bench/deploy': 'bench/deploy.ts',
    'bench/live': 'bench/live.ts',
  },
}

rmSync('dist.next', { recursive: true, force: true })
const programs = existsSync('bench/start.ts') ? [cli, daemon, bench] : [cli, daemon]
await Promise.all(programs.map((program) => build({ ...common, ...program })))
rmSync('dist', { recursive: true, force: true })
renameSync('dist.next', 'dist')
