import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { launch, type Launched, type LaunchOptions } from './launch.ts'
import type { ProcessIdentity } from '../../core/process-identity.ts'
import { replicaOf } from './seats.ts'
import type { ProcessSpec } from './process-spec.ts'
import { spareKey, startSpare, type Spare } from './spare.ts'

/** The spares of a run, one a service: for its first replica. They end with this daemon; what became of one by then is a process as any other. */
export class Spares {
  private readonly spares = new Map<string, Spare>()
  private isOpen = true
  private preparing: Promise<void> = Promise.resolve()
  private readonly runDir: string
  private readonly script: string | undefined

  /** Without a `script`, the preload's text, there are none. */
  constructor(runDir: string, script: string | undefined) {
    this.runDir = runDir
    this.script = script
  }

  /** Makes sure that a spare waits for the next process like this one. */
  prepare(spec: ProcessSpec): Promise<void> {
    const mine = this.preparing.then(() => this.replaceSpare(spec))
    this.preparing = mine.catch(() => {}) // told to who asked
    return mine
  }

  /** What their environments carry. */
  marks(): string[] {
    return [...this.spares.values()].map(({ mark }) => mark)
  }

  /** Starts a process of a spec: the spare where one waits for it, else a new one. Returns the mark that it has, where it has another. */
  async launch(
    spec: ProcessSpec,
    options: LaunchOptions,
    onSpawned: (identity: ProcessIdentity, mark?: string) => void,
  ): Promise<Launched> {
    const spare = this.spares.get(spec.source)
    const fits =
      replicaOf(spec.id) === `${spec.source}.1` && spare !== undefined && !spare.hasEnded() && spare.key === spareKey(spec)
    if (!fits) return launch(options, onSpawned)
    this.spares.delete(spec.source)
    const launched = spare.go(options)
    onSpawned(launched.identity, spare.mark)
    return launched
  }

  /** Ends them all, for good. */
  async end(): Promise<void> {
    this.isOpen = false
    await this.preparing
    const all = [...this.spares.values()]
    this.spares.clear()
    await Promise.all(all.map((spare) => spare.end()))
  }

  private async replaceSpare(spec: ProcessSpec): Promise<void> {
    const key = spareKey(spec)
    const before = this.spares.get(spec.source)
    if (this.script === undefined || key === undefined || !this.isOpen || (before?.key === key && !before.hasEnded())) return
    this.spares.delete(spec.source)
    await before?.end()
    const path = join(this.runDir, 'spare.cjs')
    writeFileSync(path, this.script, { mode: 0o600 })
    const spare = await startSpare(spec, path, this.runDir)
    if (spare === undefined) return
    if (this.isOpen) this.spares.set(spec.source, spare)
    else await spare.end()
  }
}
