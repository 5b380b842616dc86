// `npm run bench:start [-- MEASURE…]`: how long it takes until things run. Without names it takes all, and writes bench/RESULTS.md.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { coldEmbedded } from './measures/cold-embedded.ts'
import { coldKind } from './measures/cold-kind.ts'
import { daemonIdle } from './measures/daemon-idle.ts'
import { imageDelivery } from './measures/image-delivery.ts'
import { noChangeEmbedded, warmKind } from './measures/warm-start.ts'
import { status } from './measures/status.ts'
import { renderResults, type Row } from './support/measure.ts'
import { findKind } from './support/kind.ts'

const embedded = { status, 'cold-embedded': coldEmbedded, 'no-change-embedded': noChangeEmbedded, 'daemon-idle': daemonIdle }
const onKind = {
  'warm-kind': warmKind,
  'image-delivery': imageDelivery,
  'cold-kind': coldKind,
}

const results = join(import.meta.dirname, '..', '..', 'bench', 'RESULTS.md')
const wanted = process.argv.slice(2)
const kind = await findKind()
if (!kind) console.log('Docker, kind or a node image is missing: the measures on kind are left out.')
const measures: Record<string, () => Promise<Row[]>> = { ...(kind ? onKind : {}), ...embedded }
for (const name of wanted)
  if (!measures[name]) throw new Error(`no measure ${name}; there are ${Object.keys(measures).join(', ')}`)

const rows: Row[] = []
for (const [name, measure] of Object.entries(measures)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`measuring ${name} …`)
  try {
    const taken = await measure()
    rows.push(...taken)
    console.log(renderResults(taken, new Date()))
  } catch (error) {
    process.exitCode = 1
    console.log(`${name} could not be measured: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (wanted.length === 0 && kind)
    await writeFile(results, `# Results of \`npm run bench:start\`\n\n${renderResults(rows, new Date())}`)
}
