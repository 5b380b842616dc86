// Bundles src into dist. The CLI is one file: a dozen chunks cost its start 12 ms, and what a command does not use is not run in
// either case. It is CommonJS, since Node's loader for modules takes 6 ms to load itself. The daemon and the bench share chunks.
// Packages stay outside.
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
const shared = { 'daemon/main': 'src/daemon/main.ts', 'bench/start': 'bench/start.ts' }
for (const [name, file] of Object.entries(shared)) if (!existsSync(file)) delete shared[name]

rmSync('dist.next', { recursive: true, force: true })
await Promise.all([
  build({
    ...common,
    entryPoints: { 'cli/main': 'src/cli/main.ts' },
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
  }),
  build({ ...common, entryPoints: shared, splitting: true, chunkNames: 'chunks/[name]-[hash]' }),
])
rmSync('dist', { recursive: true, force: true })
renameSync('dist.next', 'dist')
