import { realpathSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import { createHash } from 'node:crypto'
import type { HeldFile, Overlay, OverlayFile } from '../ports.ts'
import { installedDifference } from './installed-files.ts'
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

  /**
   * Takes what was installed for a folder of the container, as far as it differs from what the image has there, and notes what is there no more.
   * `image`: by absolute path.
   */
  async takeInstalled(from: string, to: string, image: ReadonlyMap<string, HeldFile>): Promise<void> {
    const made = new SourceTree(from, () => false)
    made.scan()
    const below = new Map([...image].map(([path, file]) => [posix.relative(to, path), file]))
    const { taken, gone } = await installedDifference(made, below, new Set(this.below(to)))
    for (const path of taken) await this.take(made, path, posix.join(to, path))
    for (const path of gone) this.files.set(posix.join(to, path), GONE)
    // A folder that is there again.
    for (const path of made.files.keys())
      for (let at = posix.dirname(path); at !== '.'; at = posix.dirname(at))
        if (this.files.get(posix.join(to, at)) === GONE) this.files.delete(posix.join(to, at))
  }

  /** Takes of what was installed before these paths again. False when it is not there any more. */
  async recallInstalled(from: string, to: string, paths: string[]): Promise<boolean> {
    if (statSync(from, { throwIfNoEntry: false })?.isDirectory() !== true) return false
    const made = new SourceTree(from, () => false)
    made.scan()
    for (const path of paths) await this.take(made, path, posix.join(to, path))
    return true
  }

  /** Paths in a folder of the container, relative to it. */
  below(folder: string): string[] {
    return [...this.files.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => posix.relative(folder, path))
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
