import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findKind } from './kind.ts'
import { renderResults, type Row } from './measure.ts'

export type Measures = Record<string, () => Promise<Row[]>>

const results = join(import.meta.dirname, '..', '..', 'bench', 'RESULTS.md')

/**
 * Takes the measures that the command line names, or all, and then writes their section of bench/RESULTS.md. One that fails is named and does not
 * keep the others; the exit code is then 1.
 */
export async function runMeasures(script: string, { onKind, embedded }: { onKind: Measures; embedded: Measures }): Promise<void> {
  const wanted = process.argv.slice(2)
  const kind = await findKind()
  if (!kind) console.log('Docker, kind or a node image is missing: the measures on kind are left out.')
  const measures: Measures = { ...(kind ? onKind : {}), ...embedded }
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
    if (wanted.length === 0 && kind) await writeSection(script, renderResults(rows, new Date()))
  }
}

/** Each script has a section of its own, and leaves the others'. */
async function writeSection(script: string, text: string): Promise<void> {
  const heading = (name: string): string => `# Results of \`npm run ${name}\`\n`
  const before = await readFile(results, 'utf8').catch(() => '')
  const sections = before.split(/^(?=# Results of )/m).filter((section) => section.trim() !== '')
  const mine = `${heading(script)}\n${text}`
  const index = sections.findIndex((section) => section.startsWith(heading(script)))
  if (index === -1) sections.push(mine)
  else sections[index] = mine
  await writeFile(results, sections.map((section) => section.trimEnd()).join('\n\n') + '\n')
}
