import { realpathSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import { createHash } from 'node:crypto'
import type { Overlay, OverlayFile } from '../ports.ts'
import { hashFile, SourceTree } from './source-tree.ts'

/** Everything that a service's replicas must hold beyond their image; grows by edits until the image is made anew. */
export class OverlayBook {
  private readonly files = new Map<string, OverlayFile>()
  private readonly artefacts = new Map<string, SourceTree>()

  get overlay(): Overlay {
    return new Map(this.files)
  }

  /** Of the content: equal overlays have equal marks, whoever made them. */
  get mark(): string {
    const digest = createHash('sha256')
    for (const target of [...this.files.keys()].sort()) {
      const { hash, mode, link } = this.files.get(target)!
      digest.update(`${target}\0${hash}\0${mode}\0${link ?? ''}\0`)
    }
    return digest.digest('hex').slice(0, 16)
  }

  /** Takes a file of the working copy as it is now, or its absence. False when it is there and cannot be read. */
  async take(tree: SourceTree, path: string, target: string): Promise<boolean> {
    const file = tree.files.get(path)
    if (!file) {
      this.files.set(target, GONE)
      return true
    }
    const hash = await tree.hash(path)
    if (hash === undefined) return false
    const { mode, sizeBytes, link } = file
    this.files.set(target, { source: join(tree.root, path), hash, mode, sizeBytes, ...(link !== undefined && { link }) })
    return true
  }

  /** Takes what a build made: a file, or everything in a folder and nothing else there. */
  async takeArtefact(from: string, to: string): Promise<void> {
    const stat = statSync(from, { throwIfNoEntry: false })
    if (stat?.isFile()) {
      // Build tools leave links to where they keep what they made.
      const source = realpathSync(from)
      const hash = await hashFile(source)
      if (hash === undefined) throw artefactMissing(from, 'cannot be read')
      this.files.set(to, { source, hash, mode: stat.mode & 0o777, sizeBytes: stat.size })
      return
    }
    if (!stat?.isDirectory()) throw artefactMissing(from, stat ? 'is neither a file nor a folder' : 'is not there')
    const tree = this.artefacts.get(from) ?? new SourceTree(from, () => false)
    this.artefacts.set(from, tree)
    for (const path of tree.scan()) await this.take(tree, path, posix.join(to, path))
  }

  clear(): void {
    this.files.clear()
    this.artefacts.clear()
  }
}

function artefactMissing(path: string, how: string): ShivError {
  return new ShivError(`The build went well, and ${path} ${how}.`, {
    code: 'RELOAD_ARTEFACT_MISSING',
    hint: 'sync.from of the build rule must name the file or folder that its command makes: shiv why FILE shows the rule',
  })
}

const GONE: OverlayFile = { source: undefined, hash: '', mode: 0, sizeBytes: 0 }
