import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface TestWorkspace {
  root: string
  write(path: string, text: string): void
  remove(): void
}

/** A folder with these files: paths within it, and their text. */
export function createWorkspace(files: Record<string, string>): TestWorkspace {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-ws-')))
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  for (const [path, text] of Object.entries(files)) write(path, text)
  return { root, write, remove: () => rmSync(root, { recursive: true, force: true }) }
}
