import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { writeFileAtomic } from '../../../core/atomic-file.ts'
import { ShivError, type Fault } from '../../../core/errors.ts'
import { bodiesFolder, bodyPath, hashOfBody } from './bodies-folder.ts'
import { checkHar, parseHar } from './check-har.ts'
import { checkLines, lineForm } from './command-lines.ts'
import { Lines, unreadable } from './faults.ts'
import { union, type Form } from './form.ts'
import { harForm } from './har-form.ts'
import { compileRedaction } from './redaction-rules.ts'
import { Redactor } from './redactor.ts'

/**
 * Every fault of a recording, with its line: of its form, of bodies that are missing or not what their name says, and of what looks like a
 * secret that somebody put in by hand. Throws RECORDING_MISSING and RECORDING_UNREADABLE.
 */
export async function checkRecording(file: string): Promise<Fault[]> {
  const text = await contentOf(file)
  const faults = isLines(file) ? checkLines(text, file) : checkHar(text, file)
  if (faults.length > 0) return faults
  return [...(isLines(file) ? [] : await bodyFaults(text, file)), ...secretFaults(text, file)]
}

/**
 * Writes into `target` all that the recordings hold, all of one kind, with their bodies; their order does not matter, and `target` may be
 * one of them. Throws RECORDING_INVALID with the faults of the first that has any, RECORDING_MISSING, RECORDING_UNREADABLE.
 */
export async function mergeRecordings(files: readonly string[], target: string): Promise<void> {
  const kinds = new Set([...files, target].map(isLines))
  if (kinds.size > 1) {
    throw new ShivError('Recordings of two kinds cannot be merged.', {
      code: 'RECORDING_KINDS_DIFFER',
      exit: 2,
      hint: 'name only .har files, or only .jsonl files',
    })
  }
  if (isLines(target)) await mergeAs(lineForm, files, target)
  else await mergeAs(harForm, files, target)
}

async function mergeAs<Item>(form: Form<Item>, files: readonly string[], target: string): Promise<void> {
  const recordings: Item[][] = []
  for (const file of files) {
    const items = form.parse(await contentOf(file), file)
    recordings.push(items)
    if (resolve(file) !== resolve(target))
      await copyBodies(
        file,
        target,
        items.flatMap((item) => form.files(item)),
      )
  }
  await writeFileAtomic(target, form.render(union(recordings, form)), { mode: 0o644 })
}

async function copyBodies(from: string, to: string, names: readonly string[]): Promise<void> {
  if (names.length > 0) await mkdir(bodiesFolder(to), { recursive: true })
  for (const name of names) {
    try {
      await copyFile(bodyPath(from, name), bodyPath(to, name))
    } catch (error) {
      throw unreadable(bodyPath(from, name), error)
    }
  }
}

async function bodyFaults(text: string, file: string): Promise<Fault[]> {
  const lines = new Lines(text)
  const names = new Set(parseHar(text, file).flatMap((entry) => harForm.files(entry)))
  const faults: Fault[] = []
  for (const name of names) {
    const hash = await hashOfBody(file, name)
    if (hash === name) continue
    const at = lines.at(text.indexOf(name))
    const path = bodyPath(file, name)
    const hint = `take it from git: git checkout -- ${path}`
    if (hash === undefined)
      faults.push({ code: 'RECORDING_BODY_MISSING', message: 'the file of this body is not there', hint, file, ...at })
    else
      faults.push({
        code: 'RECORDING_BODY_CHANGED',
        message: 'the file of this body is not what its name says',
        hint,
        file,
        ...at,
      })
  }
  return faults
}

/** A line at a time, so that the fault has a place; what is on a line of its own is all that a recording puts there. */
function secretFaults(text: string, file: string): Fault[] {
  const rules = compileRedaction({ headers: [], cookies: [], body: [], patterns: [] })
  return text.split('\n').flatMap((line, index): Fault[] => {
    const header = /^\s*\{ "name": ("(?:[^"\\]|\\.)*"), "value": ("(?:[^"\\]|\\.)*") \},?$/.exec(line)
    const [name, value] =
      header === null ? ['', ''] : [JSON.parse(header[1] ?? '""') as string, JSON.parse(header[2] ?? '""') as string]
    const redactor = new Redactor(rules)
    const isFound = header === null ? isChanged(redactor, line) : redactor.headers([name, value])[0]?.value !== value
    if (!isFound) return []
    const hint = 'replace it by REDACTED-1, or record this request again'
    return [{ code: 'RECORDING_SECRET', message: 'this looks like a secret', hint, file, line: index + 1, column: 1 }]
  })
}

function isChanged(redactor: Redactor, line: string): boolean {
  const value = /^\s*"(?:text|url|data)": ("(?:[^"\\]|\\.)*"),?$/.exec(line)?.[1]
  const plain = value === undefined ? line : (JSON.parse(value) as string)
  return (value !== undefined && line.includes('"url"') ? redactor.target(plain) : redactor.text(plain)) !== plain
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw unreadable(file, error)
  }
}

function isLines(file: string): boolean {
  return file.endsWith('.jsonl')
}
