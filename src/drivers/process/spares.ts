import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { launch, type Launched, type LaunchOptions } from './launch.ts'
import type { ProcessIdentity } from '../../core/process-identity.ts'
import { replicaOf } from './seats.ts'
import type { ProcessSpec } from './process-spec.ts'
import { startSpare, type Spare, type SpareScripts } from './spare.ts'
import { spareCommand, type SpareCommand, type SpareWish } from './spare-command.ts'

const FILES = { node: 'spare.cjs', python: 'spare.py' }

/** The spares of a run, one a service: for its first replica. They end with this daemon; what became of one by then is a process as any other. */
export class Spares {
  private readonly spares = new Map<string, Spare>()
  private isOpen = true
  private preparing: Promise<void> = Promise.resolve()
  private readonly runDir: string
  private readonly scripts: SpareScripts
  private readonly wishes = new Map<string, SpareWish>()

  constructor(runDir: string, scripts: SpareScripts) {
    this.runDir = runDir
    this.scripts = scripts
  }

  /** Makes sure that a spare waits for the next process like this one. */
  prepare(spec: ProcessSpec, wish: SpareWish): Promise<void> {
    const mine = this.preparing.then(() => this.replaceSpare(spec, wish))
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
      replicaOf(spec.id) === `${spec.source}.1` &&
      spare !== undefined &&
      !spare.hasEnded() &&
      spare.key === this.commandOf(spec)?.key
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

  private async replaceSpare(spec: ProcessSpec, wish: SpareWish): Promise<void> {
    this.wishes.set(spec.source, wish)
    const command = this.commandOf(spec)
    const before = this.spares.get(spec.source)
    if (command === undefined || !this.isOpen || (before?.key === command.key && !before.hasEnded())) return
    this.spares.delete(spec.source)
    await before?.end()
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    writeFileSync(this.scriptOf(wish), this.scripts[wish.interpreter]!, { mode: 0o600 })
    const spare = await startSpare(spec, command, this.folder, this.runDir)
    if (this.isOpen) this.spares.set(spec.source, spare)
    else await spare.end()
  }

  private commandOf(spec: ProcessSpec): SpareCommand | undefined {
    const wish = this.wishes.get(spec.source)
    if (wish === undefined || this.scripts[wish.interpreter] === undefined) return undefined
    return spareCommand(spec, wish, this.scriptOf(wish), this.folder)
  }

  private scriptOf({ interpreter }: SpareWish): string {
    return join(this.runDir, FILES[interpreter])
  }

  private get folder(): string {
    return join(this.runDir, 'spare')
  }
}
