import { existsSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Fault } from '../core/errors.ts'
import { confine, outsideFault } from './confine.ts'
import { discoverServices, expandPattern } from './discover.ts'
import { checkTree } from './issues.ts'
import { faultAt, readSource } from './source.ts'
import type { Span } from './source.ts'
import { parseTree, valueSpan } from './tree.ts'
import type { MapTree } from './tree.ts'
import { workspaceSchema } from './workspace-schema.ts'
import type { WorkspaceFile } from './workspace-schema.ts'

export const SERVICE_FILE = 'service.yaml'
export const WORKSPACE_FILE = 'shiv.yaml'

export interface FoundWorkspace {
  /** Real and absolute. */
  root: string
  /** shiv.yaml, unless a lone service.yaml is the workspace. */
  file?: string
  tree?: MapTree
  /** Empty when there is no shiv.yaml or nothing in it is usable. */
  data: Partial<WorkspaceFile>
  /** Absolute service.yaml files, in the order written (or by name). */
  serviceFiles: string[]
}

/** The workspace that a folder, a service.yaml or a shiv.yaml belongs to. What is wrong goes to `faults`. */
export async function findWorkspace(path: string, faults: Fault[]): Promise<FoundWorkspace | undefined> {
  const start = await startFolder(path, faults)
  if (start === undefined) return undefined
  const root = workspaceRoot(start.folder)
  if (root !== undefined) return readWorkspace(root, start.isNamed ? start.folder : undefined, faults)
  const file = join(start.folder, SERVICE_FILE)
  if (existsSync(file)) return { root: start.folder, data: {}, serviceFiles: [file] }
  faults.push({
    code: 'SPEC_SERVICE_NOT_FOUND',
    message: `there is no ${SERVICE_FILE} in ${start.folder}, and no ${WORKSPACE_FILE} there or in a folder above`,
    hint: `name the folder that has one, or begin one: printf 'name: hello\\nlanguage: node\\n' > ${SERVICE_FILE}`,
  })
  return undefined
}

async function startFolder(path: string, faults: Fault[]): Promise<{ folder: string; isNamed: boolean } | undefined> {
  const name = basename(path)
  try {
    const real = await realpath(path)
    if ((await stat(real)).isDirectory()) return { folder: real, isNamed: existsSync(join(real, SERVICE_FILE)) }
    if (name === SERVICE_FILE || name === WORKSPACE_FILE)
      return { folder: await realpath(dirname(path)), isNamed: name === SERVICE_FILE }
    const hint = `name a folder, a ${SERVICE_FILE} or a ${WORKSPACE_FILE}`
    faults.push({ code: 'SPEC_SERVICE_NOT_FOUND', message: `${path} is neither a ${SERVICE_FILE} nor a ${WORKSPACE_FILE}`, hint })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const message = code === 'ENOENT' ? `${path} does not exist` : `${path} cannot be read (${code})`
    faults.push({ code: 'SPEC_SERVICE_NOT_FOUND', message, hint: 'check the path; the examples are in examples/' })
  }
  return undefined
}

function workspaceRoot(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, WORKSPACE_FILE))) return at
    if (at === dirname(at)) return undefined
  }
}

async function readWorkspace(root: string, named: string | undefined, faults: Fault[]): Promise<FoundWorkspace> {
  const file = join(root, WORKSPACE_FILE)
  const source = await readSource(file, root, faults)
  const tree = source && parseTree(source, faults)
  const data: Partial<WorkspaceFile> = (tree && checkTree(workspaceSchema, tree, faults)?.data) ?? {}
  const found = { root, file, ...(tree !== undefined && { tree }), data }
  if (tree === undefined) return { ...found, serviceFiles: [] }
  const serviceFiles = await listServices(root, tree, data, faults)
  if (named !== undefined && data.services !== undefined && !serviceFiles.includes(join(named, SERVICE_FILE))) {
    const message = `${join(named, SERVICE_FILE)} is not among the services of this workspace`
    faults.push(
      faultAt(valueSpan(tree, ['services']), { code: 'SPEC_NOT_IN_WORKSPACE', message, hint: 'add its folder to services' }),
    )
  }
  if (serviceFiles.length === 0 && faults.length === 0) {
    const message = `this workspace has no service: no ${SERVICE_FILE} in ${root} down to three folders deep`
    faults.push(
      faultAt(valueSpan(tree, []), { code: 'SPEC_SERVICE_NOT_FOUND', message, hint: `add a folder with a ${SERVICE_FILE}` }),
    )
  }
  return { ...found, serviceFiles }
}

async function listServices(root: string, tree: MapTree, data: Partial<WorkspaceFile>, faults: Fault[]): Promise<string[]> {
  const files = new Set<string>()
  if (data.services === undefined) for (const folder of await discoverServices(root)) files.add(join(folder, SERVICE_FILE))
  const items = tree.entries.get('services')?.value
  for (const item of items?.kind === 'list' ? items.items : []) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string' || item.value === '') continue
    for (const file of await filesOfEntry(root, item.value, item.span, faults)) files.add(file)
  }
  return [...files]
}

async function filesOfEntry(root: string, entry: string, span: Span, faults: Fault[]): Promise<string[]> {
  if (!entry.includes('*')) {
    const path = await confine(root, root, entry, span, faults)
    if (path === undefined) return []
    const file = basename(path) === SERVICE_FILE ? path : join(path, SERVICE_FILE)
    if (existsSync(file)) return [file]
    faults.push(
      faultAt(span, {
        code: 'SPEC_SERVICE_NOT_FOUND',
        message: `there is no ${SERVICE_FILE} in ${path}`,
        hint: `write one, or remove this entry`,
      }),
    )
    return []
  }
  if (entry.startsWith('/') || entry.split('/').includes('..')) {
    faults.push(outsideFault(entry, span))
    return []
  }
  const folders = await expandPattern(root, entry)
  const files: string[] = []
  for (const folder of folders)
    if ((await confine(root, root, folder, span, faults)) !== undefined) files.push(join(folder, SERVICE_FILE))
  if (folders.length > 0) return files
  faults.push(
    faultAt(span, {
      code: 'SPEC_SERVICE_NOT_FOUND',
      message: `no folder that matches "${entry}" has a ${SERVICE_FILE}`,
      hint: 'check the pattern; * stands for one folder name',
    }),
  )
  return []
}
