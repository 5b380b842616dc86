// Bundles src into dist: one entry a process (cli, daemon, bench), shared chunks between them, packages left outside.
import { build } from 'esbuild'
import { existsSync, rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
const entryPoints = {
  'cli/main': 'src/cli/main.ts',
  'daemon/main': 'src/daemon/main.ts',
  'bench/start': 'bench/start.ts',
}
for (const [name, file] of Object.entries(entryPoints)) if (!existsSync(file)) delete entryPoints[name]
await build({
  entryPoints,
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: true,
  logLevel: 'warning',
})
