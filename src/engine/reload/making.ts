import type { ServicePlan } from '../../plan/types.ts'
import { installTarget, isInContainer, readsOf } from './installs.ts'
import type { Ledger } from './ledger.ts'
import { goesInPlace, ownTarget, type Judged, type Work } from './loop-work.ts'
import type { LoopTrace } from './loop.ts'
import type { KeptState, ReloaderParts } from './reloader-parts.ts'
import type { BuildRule, ContainerInstallRule } from './rule-types.ts'
import { hashText, type SourceTree } from './source-tree.ts'

/** Makes what a loop brings, and enters it into the ledger's book. */
export class Making {
  private readonly parts: ReloaderParts
  private readonly ledger: Ledger
  private readonly tree: SourceTree
  /** Saved since the working copy was last prepared; undefined before that is known. */
  private unprepared: Set<string> | undefined

  constructor(parts: ReloaderParts, ledger: Ledger, tree: SourceTree) {
    this.parts = parts
    this.ledger = ledger
    this.tree = tree
  }

  /** These were saved, whatever becomes of them. */
  note(paths: string[]): void {
    for (const path of paths) this.unprepared?.add(path)
  }

  /** Installs and builds; what fails has taken its time too. Throws what these throw; what was made before stays then. */
  async make(service: ServicePlan, work: Work, trace: LoopTrace, signal: AbortSignal): Promise<void> {
    const { parts } = this
    if (parts.prepare) {
      const { prepare } = parts
      return trace.during('built', async () => {
        for (const rule of work.installs) if (!isInContainer(rule)) await parts.install(service, rule, signal)
        await prepare(service, signal, this.unprepared)
        this.unprepared = new Set()
      })
    }
    const installs = work.installs.filter(isInContainer)
    if (work.installs.length > 0)
      await trace.during('installed', async () => {
        for (const rule of installs) await this.installOne(service, rule, signal)
      })
    if (work.builds.length > 0)
      await trace.during('built', async () => {
        for (const rule of work.builds) await this.buildOne(service, rule, signal)
      })
  }

  /** Takes saved files as they are. Returns those that cannot be read. */
  async takeAll(verdicts: Judged[]): Promise<string[]> {
    const unread: string[] = []
    for (const { path, verdict } of verdicts) {
      if (goesInPlace(verdict)) this.ledger.taken.add(path)
      const target = ownTarget(verdict)
      if (target !== undefined && !(await this.ledger.book.take(this.tree, path, target))) unread.push(path)
    }
    return unread
  }

  /** Enters again what was made before this daemon. */
  async recall(service: ServicePlan, kept: KeptState): Promise<void> {
    const rules = service.reload?.rules ?? []
    for (const index of kept.built) {
      const rule = rules[index]
      if (rule?.do === 'build') await this.ledger.book.takeArtefact(this.parts.artefact(service, rule), rule.sync.to)
    }
    for (const { rule: index, inputs, paths } of kept.installed ?? []) {
      const rule = rules[index]
      if (rule?.do !== 'install' || !isInContainer(rule)) continue
      const folder = installTarget(rule)
      // Lost, it is installed anew: what it was made of is among what was edited.
      const isThere = await this.ledger.book.recallInstalled(this.parts.installedAt(service, rule), folder, paths)
      this.ledger.installed.set(index, { folder, inputs: isThere ? inputs : '' })
    }
  }

  private async installOne(service: ServicePlan, rule: ContainerInstallRule, signal: AbortSignal): Promise<void> {
    const { parts, ledger } = this
    const folder = installTarget(rule)
    const index = service.reload!.rules.indexOf(rule)
    const reads = readsOf(rule, this.tree.files.keys()).sort()
    const inputs = hashText(reads.map((path) => `${path}\0${this.tree.files.get(path)?.stamp}`).join('\0'))
    if (ledger.installed.get(index)?.inputs === inputs) return
    const [, image] = await Promise.all([
      parts.installBeside(service, rule, reads, signal),
      ledger.imageOf.get(folder) ?? parts.contents(service, folder, signal),
    ])
    ledger.imageOf.set(folder, image)
    await ledger.book.takeInstalled(parts.installedAt(service, rule), folder, image)
    ledger.installed.set(index, { folder, inputs })
  }

  private async buildOne(service: ServicePlan, rule: BuildRule, signal: AbortSignal): Promise<void> {
    await this.parts.build(service, rule, signal)
    await this.ledger.book.takeArtefact(this.parts.artefact(service, rule), rule.sync.to)
    this.ledger.built.add(service.reload!.rules.indexOf(rule))
  }
}
