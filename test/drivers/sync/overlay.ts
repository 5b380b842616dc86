import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Overlay, OverlayFile } from '../../../src/engine/ports.ts'

/** A working tree on this machine and the overlay that it makes, as the engine would. */
export interface Tree {
  save(path: string, content: string | Buffer, mode?: number): void
  link(path: string, target: string): void
  remove(path: string): void
  overlay(): Overlay
  mark(): string
  /** Content by path; undefined: must not be there. */
  readonly files: Map<string, string | undefined>
}

export const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')

export function createTree(folder: string, code: string): Tree {
  const entries = new Map<string, OverlayFile>()
  const files = new Map<string, string | undefined>()
  const put = (path: string, write: (source: string) => void, file: Omit<OverlayFile, 'source'>) => {
    const source = join(folder, path)
    mkdirSync(dirname(source), { recursive: true })
    rmSync(source, { force: true, recursive: true })
    write(source)
    entries.set(join(code, path), { source, ...file })
  }
  return {
    files,
    save(path, content, mode = 0o644) {
      const write = (source: string) => {
        writeFileSync(source, content)
        chmodSync(source, mode)
      }
      put(path, write, { hash: sha256(content), mode, sizeBytes: Buffer.byteLength(content) })
      files.set(path, sha256(content))
    },
    link(path, target) {
      put(path, (source) => symlinkSync(target, source), { hash: sha256(target), mode: 0o777, sizeBytes: 0, link: target })
    },
    remove(path) {
      const source = join(folder, path)
      if (existsSync(source) && lstatSync(source).isFile()) rmSync(source)
      entries.set(join(code, path), { source: undefined, hash: '', mode: 0, sizeBytes: 0 })
      files.set(path, undefined)
    },
    overlay: () => new Map(entries),
    mark: () => sha256(JSON.stringify([...entries].map(([path, { hash, mode }]) => [path, hash, mode]))).slice(0, 16),
  }
}

/** What is in a code folder under the paths of a tree. */
export function held(code: string, tree: Tree): Map<string, string | undefined> {
  return new Map([...tree.files.keys()].map((path) => [path, hashAt(join(code, path))]))
}

function hashAt(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? sha256(readlinkSync(path)) : sha256(readFileSync(path))
  } catch {
    return undefined
  }
}
