// Writes docs/*.schema.json from the zod schemas: node docs/build-schemas.mjs && npx oxfmt docs
import { build } from 'esbuild'
import { writeFile } from 'node:fs/promises'

const { outputFiles } = await build({
  entryPoints: ['src/spec/json-schema.ts'],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
})
const { jsonSchemas } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`)
for (const [name, schema] of Object.entries(jsonSchemas())) {
  await writeFile(new URL(name, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`)
}
