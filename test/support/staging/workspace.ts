import { build } from 'esbuild'
import { join } from 'node:path'

/** `server.cjs` of the service that calls what it is told to call, with everything that it needs inside. */
export async function callerProgram(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'caller.ts')],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    external: ['pg-native'],
    logLevel: 'warning',
  })
  return outputFiles[0]!.text
}
