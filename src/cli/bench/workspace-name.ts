import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseDocument } from 'yaml'

/** The name by which history knows a workspace: of its shiv.yaml, else of its only service. A file that cannot be read has its folder's. */
export function workspaceName(root: string): string {
  for (const file of ['shiv.yaml', 'service.yaml']) {
    const path = join(root, file)
    if (!existsSync(path)) continue
    const name: unknown = parseDocument(readFileSync(path, 'utf8')).get('name')
    if (typeof name === 'string') return name
  }
  return basename(root)
}
