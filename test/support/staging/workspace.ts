import { build } from 'esbuild'
import { join } from 'node:path'

/** `server.cjs` of the service that calls what it is told to call, with everything that it needs inside. */
export const callerProgram = (): Promise<string> => bundle('caller.ts')

/** The same of the service that puts orders together. */
export const ordersProgram = (): Promise<string> => bundle('orders.ts')

async function bundle(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, file)],
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
