import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach } from 'vitest'
import { ShivError, toErrorShape } from '../../src/core/errors.ts'
import type { Fault } from '../../src/core/errors.ts'
import { renderError } from '../../src/core/render-fault.ts'
import { loadWorkspace } from '../../src/spec/load.ts'
import type { Model, Service } from '../../src/spec/model.ts'

export type Files = Record<string, string | Uint8Array>

const made: string[] = []
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A temporary folder with these files, removed after the test. */
export function folderWith(files: Files): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-spec-')))
  made.push(root)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return root
}

export async function load(files: Files, environment = 'local'): Promise<Model> {
  return loadWorkspace(folderWith(files), { environment })
}

/** The one service of a lone service.yaml. */
export async function loadService(yaml: string, environment = 'local', more: Files = {}): Promise<Service> {
  return (await load({ 'service.yaml': yaml, ...more }, environment)).services[0]!
}

/** The error that loading ends with; anything else than SPEC_INVALID with exit 2 fails the test. */
export async function errorOf(path: string, environment = 'local'): Promise<ShivError> {
  try {
    await loadWorkspace(path, { environment })
  } catch (error) {
    if (error instanceof ShivError && error.code === 'SPEC_INVALID' && error.exit === 2 && error.faults.length > 0) return error
    throw error
  }
  throw new Error('it loaded, where a fault was expected')
}

/** `CODE line:column` of each fault, with the file when it is not service.yaml. */
export function placesOf(faults: Fault[], root: string): string[] {
  return faults.map(({ code, file, line, column }) => {
    const name = file === undefined || file === join(root, 'service.yaml') ? '' : `${file.slice(root.length + 1)}:`
    return line === undefined ? code : `${code} ${name}${line}:${column}`
  })
}

/** As a user in the workspace's folder sees it, the temporary folder's own name taken out. */
export function rendered(error: ShivError, root: string, color = false): string {
  return `${renderError(toErrorShape(error), { color, cwd: root }).replaceAll(root, '/workspace')}\n`
}
