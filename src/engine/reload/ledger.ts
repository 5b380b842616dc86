import type { HeldFile } from '../ports.ts'
import type { KeptState, Survey } from './reloader-parts.ts'
import { OverlayBook } from './overlay-book.ts'

/** Stands for whatever replicas have of a path. */
const HELD_BY_REPLICAS = 'held by replicas'

/** What a service's replicas have of the working copy: their image's tree, and what was brought since. Outlives the reloader that writes it. */
export class Ledger {
  readonly book = new OverlayBook()
  /** Indices of build rules whose artefact is in the book. */
  readonly built = new Set<number>()
  /** By the index of an install rule, the folder of the containers that holds what it made, and of what it was made: their image is stale. */
  readonly installed = new Map<number, { folder: string; inputs: string }>()
  /** What the image has in such a folder, by absolute path. */
  readonly imageOf = new Map<string, ReadonlyMap<string, HeldFile>>()
  /** Paths that replicas have had from the working copy since their image was made. */
  readonly taken = new Set<string>()
  /** Saves that asked for the run to be made anew, which failed: what runs is of before them until it succeeds. */
  readonly unmade = new Set<string>()
  /** Of what every replica should hold; empty while nothing was edited. */
  mark = ''
  /** Of the last order. */
  sequence = 0
  private base: Survey = {}
  /** Stamps by path of what the last order brought, above the image's. */
  private brought = new Map<string, string | undefined>()

  /** Replicas have an image that was made of this tree; what was edited since is beyond it. */
  rebase(survey: Survey): void {
    const takenBack = [...this.taken].filter((path) => this.brought.get(path) !== survey[path])
    this.base = survey
    this.brought = new Map(Object.entries(survey))
    // A pod whose image stays the same goes on with what it was given: what was taken back meanwhile is brought once more.
    for (const path of takenBack) this.brought.set(path, HELD_BY_REPLICAS)
    for (const set of [this.built, this.installed, this.imageOf, this.taken, this.unmade]) set.clear()
    this.book.clear()
    this.mark = ''
  }

  /** Goes on from what an earlier daemon kept; `isThere` tells of the tree as it is now. The book is to be filled again. */
  recall(kept: KeptState, isThere: (path: string) => boolean): void {
    this.base = kept.base
    this.brought = new Map(Object.entries(kept.base))
    this.mark = kept.mark
    this.sequence = kept.sequence
    for (const path of kept.taken) {
      this.taken.add(path)
      if (!(path in kept.base) && !isThere(path)) this.brought.set(path, HELD_BY_REPLICAS)
    }
    for (const index of kept.built) this.built.add(index)
  }

  /** Notes what of a path is, or is about to be, with every replica; undefined when it is gone. */
  bring(path: string, stamp: string | undefined): void {
    this.brought.set(path, stamp)
  }

  isBrought(path: string, stamp: string | undefined): boolean {
    return this.brought.get(path) === stamp
  }

  paths(): Iterable<string> {
    return this.brought.keys()
  }

  get kept(): KeptState {
    const { base, mark, sequence } = this
    const installed = [...this.installed].map(([rule, { folder, inputs }]) => ({ rule, inputs, paths: this.book.below(folder) }))
    return { version: 1, base, built: [...this.built], installed, taken: [...this.taken], mark, sequence }
  }
}
