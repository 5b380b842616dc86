import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { toErrorShape, type ErrorShape } from '../../core/errors.ts'
import { isIgnoreFile } from '../../spec/ignore-rules.ts'
import type { ServicePlan } from '../../plan/types.ts'
import type { ReloadOrder, ReloadOutcome, WatchBatch, WatchOptions } from '../ports.ts'
import { earliest, now, saveTime, LoopTrace, type Loop } from './loop.ts'
import { Ledger } from './ledger.ts'
import { isHeard } from './ignores.ts'
import { OneWatch } from './one-watch.ts'
import { Retry } from './retry.ts'
import { pauseFor } from './settle.ts'
import { goesInPlace, madeAnew, notReady, ownTarget, workOf, type Judged, type Work } from './loop-work.ts'
import { Making } from './making.ts'
import type { KeptState, ReloaderParts, Survey } from './reloader-parts.ts'
import { chainMark, SourceTree } from './source-tree.ts'

/** So long a service may take to become ready before a newer save overtakes it; twice as long after each that was, so that one comes through. */
const PATIENCE_MS = 1_000
/** So many orders in a row are overtaken on their way. */
const MOST_OVERTAKEN = 3
/** What a loop waits for the one before it is told apart from what its own classifying takes. */
const WAITED_MS = 2
const STALE = 'its image is stale: the next shiv start builds it with what was installed'
/** Package managers write their files one after the other, and an install takes seconds. */
const INSTALL_PAUSE_MS = 100
/** Writing that goes on and on is looked at all the same. */
const LONGEST_SETTLE_MS = 1_000

/** Turns saves of one service's files into running code, one loop after the other, the newest state winning. */
export class ServiceReloader {
  service: ServicePlan
  readonly tree: SourceTree
  readonly ledger: Ledger
  private readonly parts: ReloaderParts
  private readonly pending = new Map<string, number>()
  private isComplete = true
  private firstSeen = 0
  private readonly watch = new OneWatch()
  private turn: Promise<void> | undefined
  private current = new AbortController()
  private isPaused = true
  private readonly retry: Retry
  private readonly making: Making
  /** Could not be read when they were last wanted, or were saved with what could not be made: the next loop takes them up. */
  private left: string[] = []
  /** The last order did not reach everybody, or was given up: it is due again. */
  private isDue = false
  /** Loops in a row that a newer save put an end to. */
  private overtaken = 0
  private phase: 'idle' | 'early' | 'applied' = 'idle'
  /** Saves of a loop that was given up: the next one answers them too, and its clock began with them. */
  private owed: { paths: string[]; savedAt: number; seenAt: number } | undefined
  private toldFailure: string | undefined
  /** It works by ignore rules of before. */
  isOutdated = false

  /** `ledger`: of the reloader before, whose service was defined or ignored otherwise. */
  constructor(service: ServicePlan, parts: ReloaderParts, ledger = new Ledger()) {
    this.ledger = ledger
    this.service = service
    this.parts = parts
    this.tree = new SourceTree(service.root, parts.rules.isIgnored)
    this.making = new Making(parts, this.ledger, this.tree)
    this.retry = new Retry(() => this.pump(), parts.retryMs)
  }

  /** The tree as it is before an image is made of it. */
  survey(): Survey {
    this.tree.scan()
    return Object.fromEntries([...this.tree.files].map(([path, { stamp }]) => [path, stamp]))
  }

  /** Replicas have an image that was made of this tree. */
  rebase(survey: Survey): void {
    this.ledger.rebase(survey)
    this.owed = undefined
    this.isDue = false
    this.left = []
  }

  /** Takes up what an earlier daemon kept: what differs from its base was edited since the image was made. */
  async recall(kept: KeptState): Promise<void> {
    this.ledger.recall(kept, (path) => this.tree.files.has(path))
    await this.making.recall(this.service, kept)
  }

  /** Begins to watch, and brings what was edited meanwhile. */
  async resume(): Promise<void> {
    this.isPaused = false
    const { isIgnored } = this.parts.rules
    const onDegraded: WatchOptions['onDegraded'] = ({ code, message, hint }) =>
      this.parts.log.warn(message, { code, hint, service: this.service.name })
    await this.watch.open(() =>
      this.parts.watcher.watch(this.service.root, { isIgnored, onBatch: (batch) => this.hear(batch), onDegraded }),
    )
    this.tree.scan()
    const due = this.unbrought()
    if (due.length > 0) this.owed = { savedAt: now(), seenAt: now(), ...this.owed, paths: due }
    if (this.hasWork) this.pump()
    await this.keep()
  }

  /** Paths whose state now is not what the last order brought, or the image has. */
  private unbrought(): string[] {
    const { files } = this.tree
    const paths = new Set([...this.ledger.paths(), ...files.keys()])
    const differing = [...paths].filter((path) => !this.ledger.isBrought(path, files.get(path)?.stamp))
    // A path that is ignored by now is no file that is gone.
    return differing.filter((path) => files.has(path) || !existsSync(join(this.service.root, path)))
  }

  private get hasWork(): boolean {
    return this.pending.size > 0 || !this.isComplete || this.owed !== undefined || this.isDue
  }

  /** These saves could not be answered by making the run anew. Other saves go on being brought, and say so. */
  noteUnmade(paths: string[]): void {
    for (const path of paths) this.ledger.unmade.add(path)
  }

  /** What is ignored has changed. A run that is made anew makes a reloader that knows; else this one is replaced now. */
  private learnIgnores(isForRun: boolean): void {
    this.isOutdated = true
    if (!isForRun) this.parts.renew()
  }

  /** Gives up what is being done and does nothing until resumed; saves are gathered meanwhile. */
  async pause(): Promise<void> {
    this.isPaused = true
    this.retry.cancel()
    this.current.abort()
    await this.turn
  }

  async close(): Promise<void> {
    await this.pause()
    await this.watch.close()
  }

  /** Of what every replica should hold. */
  get currentMark(): string {
    return this.ledger.mark
  }

  /**
   * Hashes by path in the container of all that is copied there, and which of them were edited since the image was made. What is installed from is what
   * the image's own install left of it (`npm prune` writes the lock file anew), until it is edited.
   */
  async expected(): Promise<{ expected: Map<string, string>; beyond: Set<string> }> {
    const expected = new Map<string, string>()
    for (const path of this.tree.files.keys()) {
      const verdict = this.parts.rules.verdict(path)
      const target = verdict.action === 'install' ? undefined : ownTarget(verdict)
      const hash = target === undefined ? undefined : await this.tree.hash(path)
      if (hash !== undefined && target !== undefined) expected.set(target, hash)
    }
    const { overlay } = this.ledger.book
    for (const [target, { hash }] of overlay) expected.set(target, hash)
    return { expected, beyond: new Set(overlay.keys()) }
  }

  /** Something is installed that the image has not. */
  get isImageStale(): boolean {
    return this.ledger.installed.size > 0
  }

  get isCurrent(): boolean {
    return !this.hasWork && this.turn === undefined && this.ledger.unmade.size === 0
  }

  /** Whether a save of this path is heard. */
  hears(path: string): boolean {
    return isHeard(path, this.parts.rules.isIgnored)
  }

  private hear(batch: WatchBatch): void {
    if (this.pending.size === 0 && this.isComplete) this.firstSeen = batch.seenAt
    for (const path of batch.paths) if (!this.pending.has(path)) this.pending.set(path, batch.seenAt)
    this.isComplete &&= batch.isComplete
    this.pump()
    // What is on its way is overtaken; what waits in vain for readiness too, but a restart that goes well ends first.
    if (this.phase === 'early') {
      const isNews = !batch.isComplete || this.tree.differs(batch.paths)
      if (isNews && this.overtaken < MOST_OVERTAKEN) this.overtake(this.current)
    } else if (this.phase === 'applied') {
      const { current } = this
      const patienceMs = PATIENCE_MS * 2 ** this.overtaken
      setTimeout(() => this.pending.size > 0 && this.overtake(current), patienceMs).unref()
    }
  }

  private overtake(loop: AbortController): void {
    if (loop !== this.current || loop.signal.aborted) return
    this.overtaken += 1
    loop.abort()
  }

  private pump(): void {
    if (this.turn !== undefined || this.isPaused) return
    this.turn = this.work()
      .then((hasChanged) => (hasChanged ? this.parts.saved() : undefined))
      .catch((error: unknown) =>
        this.parts.log.error('a reload went wrong', { service: this.service.name, cause: String(error) }),
      )
      .finally(() => {
        this.turn = undefined
        this.phase = 'idle'
        if (!this.isPaused && (this.pending.size > 0 || !this.isComplete || this.owed)) this.pump()
      })
  }

  /** One loop; whether anything had changed. */
  private async work(): Promise<boolean> {
    this.current = new AbortController()
    const { signal } = this.current
    const heard = [...this.pending.keys()]
    const seenAt = this.owed?.seenAt ?? (heard.length > 0 ? this.firstSeen : now())
    this.pending.clear()
    const begun = now()
    const fresh = await this.settled(heard)
    const isNews = fresh.length > 0 || this.owed !== undefined
    const changed = [...new Set([...(this.owed?.paths ?? []), ...this.left, ...fresh])]
    if (isNews) this.retry.reset()
    if (changed.length === 0 && !this.isDue) return false
    this.making.note(changed)
    const savedAt = this.owed?.savedAt ?? saveTime(seenAt, earliest(fresh.map((path) => this.tree.files.get(path)?.modifiedMs)))
    this.owed = undefined
    const trace = new LoopTrace(savedAt, seenAt)
    if (begun - seenAt > WAITED_MS) trace.passed('waited', begun)
    const verdicts = changed.map((path) => ({ path, verdict: this.parts.rules.verdict(path) }))
    const work = workOf(verdicts, this.service.reload?.restart ?? 'process')
    trace.passed('classified')
    const files = verdicts.filter(({ verdict }) => verdict.action !== 'ignore').map(({ path }) => path)
    const forRun = madeAnew(work.action, this.parts.prepare !== undefined)
    if (fresh.some(isIgnoreFile)) this.learnIgnores(forRun !== undefined)
    for (const { path, verdict } of verdicts)
      if (!forRun || !goesInPlace(verdict)) this.ledger.bring(path, this.tree.files.get(path)?.stamp)
    if (files.length === 0 && !this.isDue) return true
    if (forRun) {
      this.parts.reconcile(forRun, { trace, files, service: this.service.name, remarks: work.remarks })
      return true
    }
    if (work.action === 'none' && !this.isDue) {
      this.tell(trace, files, work, { outcome: 'kept' })
      return true
    }
    try {
      await this.bring(verdicts, work, trace, files, signal)
    } catch (error) {
      this.isDue = true
      // The other file came while it was installed.
      const isHalf = work.installs.length > 0 && this.pending.size > 0
      if (signal.aborted || isHalf) this.owed = { paths: changed, savedAt, seenAt }
      else this.tellFailure(trace, files, work, toErrorShape(error), isNews)
    }
    return true
  }

  /** What changed, looked at when whoever writes has come to an end, as far as that can be told; bounded. */
  private async settled(heard: string[]): Promise<string[]> {
    const known = new Set(heard.filter((path) => this.tree.files.has(path)))
    const fresh = new Set(this.isComplete ? this.tree.refresh(heard) : this.tree.scan())
    this.isComplete = true
    const end = now() + LONGEST_SETTLE_MS
    for (let pause = pauseFor(fresh, known, this.tree); pause > 0 && now() < end; pause = this.isWritingOn() ? pause : 0)
      await this.gather(fresh, pause)
    if ([...fresh].some((path) => this.parts.rules.verdict(path).action === 'install')) await this.gather(fresh)
    return [...fresh].filter((path) => !this.ledger.isBrought(path, this.tree.files.get(path)?.stamp))
  }

  private async gather(fresh: Set<string>, pauseMs = INSTALL_PAUSE_MS): Promise<void> {
    await delay(pauseMs)
    const more = [...fresh, ...this.pending.keys()]
    this.pending.clear()
    for (const path of this.tree.refresh(more)) fresh.add(path)
  }

  /** More was heard during the pause, or git says that it is not done. */
  private isWritingOn(): boolean {
    return this.pending.size > 0 || existsSync(join(this.service.root, '.git', 'index.lock'))
  }

  private async bring(verdicts: Judged[], work: Work, trace: LoopTrace, files: string[], signal: AbortSignal): Promise<void> {
    // A build is not given up for a newer save: one that is overtaken again and again would never end.
    this.phase = 'idle'
    this.left = verdicts.map(({ path }) => path)
    await this.making.make(this.service, work, trace, signal)
    this.left = this.parts.prepare ? [] : await this.making.takeAll(verdicts)
    const refused = this.left.map((path) => `${path}: it cannot be read`)
    const mark = this.parts.prepare ? chainMark(this.ledger.mark, files, this.tree) : this.ledger.book.mark
    // Where files are copied, a newer save overtakes until they are in place; a restart that has begun ends first.
    this.phase = this.parts.prepare ? 'applied' : 'early'
    const order: Omit<ReloadOrder, 'hold'> = {
      service: this.service,
      sequence: (this.ledger.sequence = this.parts.nextSequence(this.ledger.sequence)),
      overlay: this.ledger.book.overlay,
      mark,
      restart: work.restart,
      passed: (phase) => {
        if (phase === 'applied') this.phase = 'applied'
        trace.passed(phase)
      },
      signal,
    }
    const outcome = await this.parts.apply(order).catch((error: unknown) => {
      if (!signal.aborted) this.retry.plan()
      throw error
    })
    this.ledger.mark = mark
    this.isDue = refused.length > 0 || outcome.replicas.some(({ refused = [] }) => refused.length > 0)
    if (this.isDue) this.retry.plan()
    else this.retry.reset()
    await this.conclude(trace, files, work, { outcome, refused, signal })
    this.overtaken = 0
    await this.keep()
  }

  private async conclude(
    trace: LoopTrace,
    files: string[],
    work: Work,
    { outcome, refused, signal }: { outcome: ReloadOutcome; refused: string[]; signal: AbortSignal },
  ): Promise<void> {
    const failed = outcome.replicas.filter(({ state }) => state === 'failed')
    const ready = outcome.replicas.filter(({ state }) => state === 'ready')
    const unmade = [...this.ledger.unmade].map(
      (path) => `${path} is not in what runs yet: making it anew failed; save it again when it is mended, or: shiv start`,
    )
    const remarks = [
      ...work.remarks,
      ...(work.action === 'install' && !this.parts.prepare ? [STALE] : []),
      ...unmade,
      ...refused,
      ...new Set(outcome.replicas.flatMap(({ refused = [] }) => refused.map(({ path, cause }) => `${path}: ${cause}`))),
    ]
    const counts = { replicas: ready.length, pending: outcome.replicas.filter(({ state }) => state === 'pending').length }
    const first = failed[0]
    if (first) {
      const error = notReady(this.service.name, first)
      return this.tell(trace, files, { ...work, remarks }, { ...counts, outcome: 'failed', error: toErrorShape(error) })
    }
    if (ready.length > 0) {
      await this.parts.ask(this.service.name, signal)
      trace.passed('served')
    }
    this.tell(trace, files, { ...work, remarks }, { ...counts, outcome: 'served' })
  }

  private tell(
    trace: LoopTrace,
    files: string[],
    work: Work,
    end: { outcome: Loop['outcome']; replicas?: number; pending?: number; error?: ErrorShape },
  ): void {
    const { replicas = 0, pending = 0, outcome, error } = end
    this.parts.tell({
      id: this.parts.nextLoop(),
      service: this.service.name,
      files: files.slice(0, 10),
      fileCount: files.length,
      action: this.parts.prepare && work.action !== 'none' ? 'restart' : work.action,
      savedAt: trace.savedAt,
      spans: trace.spans,
      durationMs: trace.durationMs,
      outcome,
      replicas,
      pending,
      ...(error && { error }),
      ...(work.remarks.length > 0 && { remarks: work.remarks }),
    })
  }

  /** A retry that fails as the one before is no news. */
  private tellFailure(trace: LoopTrace, files: string[], work: Work, error: ErrorShape, isNews: boolean): void {
    const isKnown = !isNews && this.toldFailure === error.message
    this.toldFailure = error.message
    if (!isKnown) this.tell(trace, files, work, { outcome: 'failed', error })
  }

  /** What runs is served, whether it can be remembered or not; the next loop tries again. */
  private async keep(): Promise<void> {
    try {
      await this.parts.keep(this.ledger.kept)
    } catch (error) {
      const { message } = toErrorShape(error)
      this.parts.log.error('what was reloaded could not be remembered', { service: this.service.name, cause: message })
    }
  }
}
