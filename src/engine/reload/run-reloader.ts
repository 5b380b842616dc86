import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { toErrorShape } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Plan, ServicePlan } from '../../plan/types.ts'
import type { HeldFile, ReloadOrder, ReloadOutcome, RunContext, Runtime, Watcher } from '../ports.ts'
import {
  artefactOf,
  type BuildContainers,
  buildEnvironment,
  buildFailed,
  type HostCommand,
  installFailed,
  isToolMissing,
  nobodyToAsk,
  serviceEnvironment,
  targetEnvironment,
} from './build-step.ts'
import { DefinitionWatch } from './definition-watch.ts'
import { LoopTrace, saveTime, type Loop } from './loop.ts'
import type { ReloadStatus, VerifyResult } from '../results.ts'
import type { TestRunner } from './test-runner.ts'
import { loopFile, openLoopLog, type LoopLog } from './loop-log.ts'
import { installBeside, installedAt } from './installs.ts'
import type { Ledger } from './ledger.ts'
import type { Begun, KeptState, SourceRules, Survey } from './reloader-parts.ts'
import type { BuildRule, ContainerInstallRule, InstallRule } from './rule-types.ts'
import { ServiceReloader } from './service-reloader.ts'

/** What reloading needs of the run and of the machine around it. */
export interface RunReloaderParts {
  log: Log
  /** The run's own folder. */
  folder: string
  runtime: Runtime
  watcher(root: string): Promise<Watcher>
  rules(service: ServicePlan, plan: Plan): Promise<SourceRules>
  command: HostCommand
  containers(): Promise<BuildContainers>
  context(signal: AbortSignal): RunContext
  /** Keeps a service's requests at the front door. */
  hold(service: string): Promise<() => void>
  /** Waits for requests at endpoints that a service's route has left. */
  drain(service: string): Promise<void>
  /** Tells pages that another version serves. */
  announce(service: string, sequence: number): void
  /** Resolves when the service has answered through the front door. */
  ask(service: ServicePlan, signal: AbortSignal): Promise<void>
  /** Makes the whole run anew from its files; resolves when it answers. */
  restart(): Promise<void>
  /** Takes secrets out of what is kept and told. */
  redact(loop: Loop): Loop
  tell(loop: Loop): void
  /** Present when tests are to run beside the loops. */
  readonly tests: TestRunner | undefined
}

/** Hot reload of one run: a reloader for each service whose Plan has a policy. Idle until resumed. */
export class RunReloader {
  readonly services = new Map<string, ServiceReloader>()
  private readonly parts: RunReloaderParts
  private plan: Plan
  private readonly definitions: DefinitionWatch
  private sequence = 0
  private isPaused = true
  private isClosed = false
  private renewing: Promise<void> = Promise.resolve()
  private loops: Promise<LoopLog> | undefined
  private log: LoopLog | undefined

  get runtime(): Runtime {
    return this.parts.runtime
  }

  constructor(plan: Plan, parts: RunReloaderParts) {
    this.plan = plan
    this.parts = parts
    this.definitions = new DefinitionWatch(plan.workspace.root, (paths, seenAt) => {
      const files = paths.filter((path) => !this.isHeardByService(path))
      if (files.length === 0) return
      const trace = new LoopTrace(saveTime(seenAt, undefined), seenAt)
      void this.reconcile('plan', { trace, files, service: plan.workspace.name, remarks: [] })
    })
  }

  /** A service in the workspace's own folder hears of what defines it too, and tells it with its other saves. */
  private isHeardByService(path: string): boolean {
    const { root } = this.plan.workspace
    return [...this.services.values()].some((reloader) => reloader.service.root === root && reloader.hears(path))
  }

  /** Ends what is being done; nothing happens until `resume`. */
  async pause(): Promise<void> {
    this.isPaused = true
    await this.renewing
    await Promise.all([...this.services.values()].map((service) => service.pause()))
  }

  /** Before a Plan is made real: the trees as they are now, which its images will be made of. */
  async survey(plan: Plan): Promise<Map<string, Survey>> {
    const { reload } = this.parts.runtime
    const wanted = reload ? plan.services.filter((service) => service.reload !== undefined) : []
    const surveys = new Map<string, Survey>()
    for (const service of wanted) {
      const known = this.services.get(service.name)
      const isSame = known && !known.isOutdated && JSON.stringify(known.service) === JSON.stringify(service)
      const reloader = isSame ? known : await this.make(service, plan, known?.ledger)
      if (!isSame) {
        await known?.close()
        this.services.set(service.name, reloader)
      }
      surveys.set(service.name, reloader.survey())
    }
    return surveys
  }

  /** The Plan is real, and its images were made of these trees. */
  async commit(plan: Plan, surveys: Map<string, Survey>): Promise<void> {
    this.plan = plan
    for (const [name, service] of this.services) {
      const survey = surveys.get(name)
      if (survey) service.rebase(survey)
      else {
        await service.close()
        this.services.delete(name)
      }
    }
  }

  /** After a daemon that was killed: what it kept, so that edits of meanwhile are found. */
  async recall(): Promise<void> {
    const surveys = await this.survey(this.plan)
    for (const [name, service] of this.services) {
      const kept = await readKept(this.keptFile(name))
      if (kept) await service.recall(kept)
      else service.rebase(surveys.get(name) ?? {})
    }
  }

  /** Watches, and brings what was edited meanwhile. A service that cannot be watched is told and does not keep the others. */
  async resume(): Promise<void> {
    this.isPaused = false
    this.log ??= await this.openLog()
    const watchers = [...this.services.values()].map((service) => ({ name: service.service.name, open: () => service.resume() }))
    const { root } = this.plan.workspace
    const definitions = { name: 'shiv.yaml', open: async () => this.definitions.open(await this.parts.watcher(root)) }
    await Promise.all(
      (watchers.length > 0 ? [...watchers, definitions] : []).map(async ({ name, open }) => {
        try {
          await open()
        } catch (error) {
          const { code, message } = toErrorShape(error)
          this.parts.log.error(message, { code, service: name })
        }
      }),
    )
  }

  /** What replicas hold, by service. */
  async holdings(signal: AbortSignal): Promise<Map<string, ReloadStatus>> {
    const context = this.parts.context(signal)
    const entries = [...this.services].map(async ([name, service]): Promise<[string, ReloadStatus]> => {
      const replicas = await this.parts.runtime.reload!.holdings(this.plan, name, context)
      return [
        name,
        {
          ...(service.isImageStale && { isImageStale: true }),
          isCurrent: service.isCurrent && replicas.every(({ mark }) => holds(mark, service.currentMark)),
          mark: service.currentMark,
          replicas,
        },
      ]
    })
    return new Map(await Promise.all(entries))
  }

  /** Compares what every replica holds with the working copy. */
  async verify(names: string[], signal: AbortSignal): Promise<VerifyResult['services']> {
    const context = this.parts.context(signal)
    const chosen = [...this.services].filter(([name]) => names.length === 0 || names.includes(name))
    return Promise.all(
      chosen.map(async ([name, service]) => {
        const { expected, beyond } = await service.expected()
        const replicas = await this.parts.runtime.reload!.verify(this.plan, name, expected, context)
        // A file that was never edited and that the image was made without is not missed.
        const meant = replicas.map((replica) => ({
          ...replica,
          differing: replica.differing.filter(({ path, actual }) => actual !== undefined || beyond.has(path)),
        }))
        return { name, files: expected.size, replicas: meant }
      }),
    )
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.renewing
    await this.definitions.close()
    await this.parts.tests?.close()
    await Promise.all([...this.services.values()].map((service) => service.close()))
    await this.log?.flushed()
  }

  /** Oldest first. */
  async history(): Promise<Loop[]> {
    return (await this.openLog()).all()
  }

  private openLog(): Promise<LoopLog> {
    const failed = (error: unknown) => this.parts.log.error('a loop could not be written', { cause: String(error) })
    return (this.loops ??= openLoopLog(loopFile(this.parts.folder), failed))
  }

  private async make(service: ServicePlan, plan: Plan, ledger?: Ledger): Promise<ServiceReloader> {
    const { parts } = this
    const reload = parts.runtime.reload!
    this.log ??= await this.openLog()
    const log = this.log
    return new ServiceReloader(
      service,
      {
        log: parts.log,
        watcher: await parts.watcher(service.root),
        rules: await parts.rules(service, plan),
        build: (service, rule, signal) => this.build(service, rule, signal),
        install: (service, rule, signal) => this.install(service, rule, signal),
        installBeside: (service, rule, paths, signal) => this.installBeside(service, rule, paths, signal),
        installedAt: (service, rule) => installedAt(rule, this.outFolder(service)),
        contents: (service, folder, signal) => this.contents(service, folder, signal),
        artefact: (service, rule) => artefactOf(service, rule, this.outFolder(service)),
        prepare:
          reload.prepare &&
          ((service, signal, changed) => reload.prepare!(this.plan, service.name, parts.context(signal), changed)),
        apply: (order) => this.apply(order),
        ask: (name, signal) =>
          parts.ask(
            this.plan.services.find((service) => service.name === name)!,
            signal,
          ),
        reconcile: (action, begun) => void this.reconcile(action, begun),
        renew: () => this.renewSoon(service.name),
        nextLoop: () => log.nextId(),
        nextSequence: (last) => (this.sequence = Math.max(this.sequence + 1, last + 1, Date.now())),
        tell: (loop) => this.tell(loop),
        saved: () => parts.tests?.run(service, parts.context(new AbortController().signal).environment),
        keep: (state) => this.keep(service.name, state),
      },
      ledger,
    )
  }

  /** One after the other; a run that ends or is made anew waits for it. */
  private renewSoon(name: string): void {
    this.renewing = this.renewing
      .then(() => (this.isClosed ? undefined : this.renew(name)))
      .catch((error: unknown) =>
        this.parts.log.error('what is ignored could not be read anew', { service: name, cause: String(error) }),
      )
  }

  private async renew(name: string): Promise<void> {
    const before = this.services.get(name)
    if (!before) return
    await before.close()
    const next = await this.make(before.service, this.plan, before.ledger)
    this.services.set(name, next)
    if (!this.isPaused && !this.isClosed) await next.resume()
  }

  private async apply(order: Omit<ReloadOrder, 'hold'>): Promise<ReloadOutcome> {
    const { name } = order.service
    const whole: ReloadOrder = { ...order, hold: () => this.parts.hold(name), drain: () => this.parts.drain(name) }
    const outcome = await this.parts.runtime.reload!.apply(this.plan, whole, this.parts.context(order.signal))
    if (outcome.replicas.some(({ state }) => state === 'ready')) this.parts.announce(name, order.sequence)
    return outcome
  }

  private async build(service: ServicePlan, rule: BuildRule, signal: AbortSignal): Promise<void> {
    const out = this.outFolder(service)
    await mkdir(out, { recursive: true, mode: 0o700 })
    const argv = rule.run.map((word) => word.replaceAll('${out}', out).replaceAll('${service.name}', service.name))
    const environment = this.parts.context(signal).environment
    const cwd = service.root
    let result = await this.parts.command(argv, { cwd, env: buildEnvironment(environment, service, rule), signal })
    if (isToolMissing(result) && rule.image !== undefined) {
      const containers = await this.parts.containers()
      const workspace = this.plan.workspace.root
      result = await containers.run({
        argv,
        image: rule.image,
        workspace,
        out,
        cwd,
        env: targetEnvironment(rule),
        environment,
        signal,
      })
    }
    signal.throwIfAborted()
    if (result.code !== 0) throw buildFailed(service, argv, result)
  }

  private async install(service: ServicePlan, { run }: InstallRule, signal: AbortSignal): Promise<void> {
    const env = serviceEnvironment(this.parts.context(signal).environment, service)
    const result = await this.parts.command(run, { cwd: service.root, env, signal })
    signal.throwIfAborted()
    if (result.code !== 0) throw installFailed(service, run, result)
  }

  private async installBeside(
    service: ServicePlan,
    rule: ContainerInstallRule,
    paths: string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { environment } = this.parts.context(signal)
    const workspace = this.plan.workspace.root
    const place = { workspace, out: this.outFolder(service), environment, signal }
    await installBeside(service, rule, paths, await this.parts.containers(), place)
  }

  private async contents(service: ServicePlan, folder: string, signal: AbortSignal): Promise<ReadonlyMap<string, HeldFile>> {
    const { reload } = this.parts.runtime
    const found = await reload!.contents?.(this.plan, service.name, folder, this.parts.context(signal))
    if (found === undefined) throw nobodyToAsk(service, folder)
    return found
  }

  /** Apart from the embedded runtime's own artefacts: these are for the cluster's nodes. */
  private outFolder(service: ServicePlan): string {
    return join(this.parts.folder, 'reload', 'out', service.name)
  }

  private async reconcile(action: 'image' | 'plan', begun: Begun): Promise<void> {
    const { trace, files, service, remarks } = begun
    const end = { outcome: 'served' as Loop['outcome'], error: undefined as Loop['error'] }
    try {
      await this.parts.restart()
      trace.passed('served')
    } catch (error) {
      trace.passed('ready')
      this.services.get(service)?.noteUnmade(files)
      end.outcome = 'failed'
      end.error = toErrorShape(error)
    }
    this.tell({
      id: this.log!.nextId(),
      service,
      files: files.slice(0, 10),
      fileCount: files.length,
      action,
      savedAt: trace.savedAt,
      spans: trace.spans,
      durationMs: trace.durationMs,
      outcome: end.outcome,
      replicas: this.plan.services.find(({ name }) => name === service)?.replicas.min ?? 0,
      pending: 0,
      ...(end.error && { error: end.error }),
      ...(remarks.length > 0 && { remarks }),
    })
  }

  private tell(loop: Loop): void {
    const told = this.parts.redact(loop)
    this.log!.add(told)
    this.parts.tell(told)
  }

  private keptFile(service: string): string {
    return join(this.parts.folder, 'reload', `${service}.json`)
  }

  private async keep(service: string, state: KeptState): Promise<void> {
    await mkdir(join(this.parts.folder, 'reload'), { recursive: true, mode: 0o700 })
    await writeFileAtomic(this.keptFile(service), JSON.stringify(state))
  }
}

/** Nothing was edited since the image was made: then any replica of it is right. */
function holds(mark: string | undefined, wanted: string): boolean {
  return wanted === '' || mark === wanted
}

async function readKept(path: string): Promise<KeptState | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as KeptState
    return value.version === 1 && typeof value.base === 'object' && Array.isArray(value.taken) ? value : undefined
  } catch {
    return undefined // never kept, or torn: then the tree as it is now is the base
  }
}
