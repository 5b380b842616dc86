// `npm run bench:start [-- MEASURE…]`: how long it takes until things run. Writes bench/RESULTS.md when every measure was taken.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { coldEmbedded } from './measures/cold-embedded.ts'
import { coldKind } from './measures/cold-kind.ts'
import { daemonIdle } from './measures/daemon-idle.ts'
import { imageDelivery } from './measures/image-delivery.ts'
import { daemonKilled, noChangeEmbedded, noChangeKind, secondService } from './measures/warm-start.ts'
import { status } from './measures/status.ts'
import { renderResults, type Row } from './support/measure.ts'
import { findKind } from './support/kind.ts'

const embedded = { status, 'cold-embedded': coldEmbedded, 'no-change-embedded': noChangeEmbedded, 'daemon-idle': daemonIdle }
const onKind = {
  'cold-kind': coldKind,
  'second-service': secondService,
  'no-change-kind': noChangeKind,
  'daemon-killed': daemonKilled,
  'image-delivery': imageDelivery,
}

const wanted = process.argv.slice(2)
const kind = await findKind()
if (!kind) console.log('Docker, kind or a node image is missing: the measures on kind are left out.')
const measures: Record<string, () => Promise<Row[]>> = { ...embedded, ...(kind ? onKind : {}) }
for (const name of wanted)
  if (!measures[name]) throw new Error(`no measure ${name}; there are ${Object.keys(measures).join(', ')}`)

const rows: Row[] = []
for (const [name, measure] of Object.entries(measures)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`measuring ${name} …`)
  const taken = await measure()
  rows.push(...taken)
  console.log(renderResults(taken, new Date()))
}
if (wanted.length === 0 && kind) {
  const file = join(import.meta.dirname, '..', '..', 'bench', 'RESULTS.md')
  await writeFile(file, `# Results of \`npm run bench:start\`\n\n${renderResults(rows, new Date())}`)
  console.log(`written to bench/RESULTS.md`)
}
