import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'

const NAME = /^[0-9a-f]{64}$/
const ASIDE = /^[0-9a-f-]{36}\.part$|^[0-9a-f]{64}\.\d+\.tmp$/
const READ_AT_ONCE = 256 * 1024

/** The folder of a recording's large bodies: `billing.har` has `billing.har.bodies`. */
export function bodiesFolder(file: string): string {
  return `${file}.bodies`
}

/** The path of a body. A name comes from a file that anybody may have edited: what is no hash is refused, so no name leaves the folder. */
export function bodyPath(file: string, name: string): string {
  if (!NAME.test(name)) throw new Error(`${JSON.stringify(name)} names no body`)
  return join(bodiesFolder(file), name)
}

/** Writes a body under the hash of its content; it appears whole, and is flushed. */
export async function writeBody(file: string, name: string, bytes: Buffer): Promise<void> {
  const path = bodyPath(file, name)
  await mkdir(bodiesFolder(file), { recursive: true })
  const aside = `${path}.${process.pid}.tmp`
  const handle = await open(aside, 'w', 0o644)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(aside, path)
}

/** The SHA-256 of a file's content as it is; undefined when there is no such file. */
export async function hashOfBody(file: string, name: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(bodyPath(file, name), { highWaterMark: READ_AT_ONCE }))
      hash.update(chunk as Buffer)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return hash.digest('hex')
}

/** Removes bodies that no entry names any more, and what a crash left aside; other files stay. */
export async function sweepBodies(file: string, used: ReadonlySet<string>): Promise<void> {
  const folder = bodiesFolder(file)
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const gone = names.filter((name) => ASIDE.test(name) || (NAME.test(name) && !used.has(name)))
  await Promise.all(gone.map((name) => rm(join(folder, name), { force: true })))
  if (gone.length === names.length) await rmdir(folder)
}
