import { ShivError, toErrorShape } from '../../core/errors.ts'
import type { ProcessIdentity } from '../../core/process-identity.ts'
import type { ReplicaState } from '../../engine/ports.ts'
import { pause, pauseBefore } from './backoff.ts'
import { explainCrash, explainUnhealthy } from './explain.ts'
import { describeExit, type Exit, type Launched, type LaunchOptions } from './launch.ts'
import { lastLines, logPaths, markLogs } from './log-files.ts'
import { strangerOn } from './port-owner.ts'
import type { ProbeResult, ProcessSpec } from './process-spec.ts'
import type { StartedBy } from './charge.ts'
import { raceAbort } from './race-abort.ts'
import { writeRecord, type ProcessRecord } from './records.ts'
import { killGroup, sendSignal, terminate } from './terminate.ts'
import { untilExit } from './until-exit.ts'
import { untilHealthy } from './until-healthy.ts'

/** A process that lived this long starts again with the shortest backoff. */
const STABLE_MS = 30_000
/** So many crashes in a row are a loop. */
const LOOP = 3
/** What Node says, last of all, when it has ended and a debugger is still attached. */
const WAITS_FOR_DEBUGGER = 'Waiting for the debugger to disconnect...'
/** Why a life ended: nobody is to be ended with it. */
const RELEASED = Symbol('released')

export interface SupervisorEvents {
  changed(supervisor: Supervisor): void
  /** The newest order of its service, which a process that starts now runs. */
  order(supervisor: Supervisor): StartedBy | undefined
  looping(supervisor: Supervisor, evidence: string[]): void
  /** Starts its process; `onSpawned` is told of another mark than the spec's id. */
  launch(
    supervisor: Supervisor,
    options: LaunchOptions,
    onSpawned: (identity: ProcessIdentity, mark?: string) => void,
  ): Promise<Launched>
}

export interface StartOptions {
  onSpawned?(): void
  /** Nobody else can have its port: whether it is the process itself that answers need not be looked up, which takes as long as a short start. */
  isPortOurs?: boolean
}

export interface StartOptions {
  onSpawned?(): void
  /** Nobody else can have its port: whether it is the process itself that answers need not be looked up, which takes as long as a short start. */
  isPortOurs?: boolean
}

/** In an object, since a promise that is returned is waited for. */
interface Running {
  exited: Promise<Exit | undefined>
}

/** Keeps one process alive: start, health, crash, backoff, end. */
export class Supervisor {
  state: ReplicaState = 'stopped'
  cause: string | undefined
  restarts = 0
  since = Date.now()
  identity: ProcessIdentity | undefined
  /** The order that its process was started with. */
  startedBy: StartedBy | undefined
  /** A reload took its place while it was starting. */
  isOvertaken = false
  spec: ProcessSpec
  private readonly runDir: string
  private readonly events: SupervisorEvents
  /** Aborted when the process is to end or to be let go of. */
  private life = new AbortController()
  private kept: Promise<void> = Promise.resolve()
  private mark = { stdout: 0, stderr: 0 }
  private markedAs: string | undefined
  private debugged: ProcessIdentity | undefined
  private exited: Promise<Exit | undefined> | undefined

  constructor(spec: ProcessSpec, runDir: string, events: SupervisorEvents) {
    this.spec = spec
    this.runDir = runDir
    this.events = events
  }

  /**
   * Starts the process and returns once it is healthy. Throws PROCESS_CRASHED or PROCESS_UNHEALTHY with the last log lines;
   * a first start that fails is not tried again, since only an edit can mend it.
   */
  async start(signal: AbortSignal, options: StartOptions = {}): Promise<void> {
    this.life = new AbortController()
    this.kept = this.keep(await this.attempt(AbortSignal.any([signal, this.life.signal]), options))
  }

  /** Takes over a process that another daemon started; resolves once its health is known. */
  async adopt(record: ProcessRecord, identity: ProcessIdentity): Promise<void> {
    this.life = new AbortController()
    this.restarts = record.restarts
    this.since = record.since
    this.identity = identity
    this.startedBy = record.startedBy
    this.markedAs = record.markedAs
    const first = await this.spec.health.probe(this.life.signal)
    this.become(first.ok ? 'ready' : 'unready', first.ok ? undefined : first.reason)
    this.kept = this.keep({ exited: untilExit(identity, this.life.signal) })
  }

  /** Waits for a process that lives to be healthy. Throws PROCESS_UNHEALTHY when it does not get there. */
  async confirm(signal: AbortSignal): Promise<void> {
    if (this.state === 'ready') return
    const verdict = await untilHealthy(this.spec.health, AbortSignal.any([signal, this.life.signal]))
    if (!verdict.ok) throw explainUnhealthy(this.spec, verdict.reason, this.identity, this.evidence())
    await this.spec.afterReady?.(signal)
    this.become('ready', undefined)
  }

  /** Starts in the background, with backoff, what another daemon left dead. */
  revive(record: ProcessRecord): void {
    this.life = new AbortController()
    this.restarts = record.restarts
    if (record.state === 'replaced') this.kept = this.keepStarting()
    else this.kept = this.keep(undefined, record.cause ?? `${this.spec.source} ended while nobody watched`)
  }

  /** Throws what keeps it from being ready. */
  mustBeReady(): void {
    if (this.state === 'ready') return
    throw explainCrash(this.spec, this.cause ?? `is ${this.state}`, this.evidence())
  }

  /** Ends the process and its group; returns when they are gone. */
  async stop(): Promise<void> {
    this.life.abort()
    // First out of the traffic, then the end.
    if (this.state === 'ready') this.become('unready', 'stopping')
    if (this.identity !== undefined) await this.end(this.identity)
    await this.kept
    this.identity = undefined
    this.become('stopped', undefined)
  }

  /** As `stop`, for a process whose place is taken at once: a daemon that comes between the two starts it again. */
  async makeRoom(): Promise<void> {
    this.isOvertaken = true
    if (this.identity !== undefined) this.record('replaced')
    await this.stop()
  }

  /** Another fingerprint for the process that runs: its files are known again. */
  rehash(hash: string): void {
    this.spec = { ...this.spec, hash }
    if (this.identity !== undefined) this.record('running')
  }

  /** Notes that what runs obeys an order without having been started anew. */
  obeyed(order: StartedBy): void {
    this.startedBy = order
    if (this.identity !== undefined) this.record('running')
  }

  /** Opens the debugger of a process whose predecessor held its port. */
  openDebugger(): void {
    const { identity } = this
    if (!this.spec.opensDebuggerLate || this.state !== 'ready' || identity === undefined || this.debugged === identity) return
    this.debugged = identity
    sendSignal(identity.pid, 'SIGUSR1')
  }

  /** Lets go without ending anything. */
  async release(): Promise<void> {
    this.life.abort(RELEASED)
    await this.kept
  }

  private async attempt(signal: AbortSignal, { onSpawned, isPortOurs = false }: StartOptions = {}): Promise<Running> {
    const paths = logPaths(this.runDir, this.spec.id)
    this.become('starting', undefined)
    try {
      const env = { ...this.spec.secrets?.(), ...this.spec.env }
      await this.spec.beforeStart?.()
      signal.throwIfAborted()
      this.mark = markLogs(paths)
      const options = { ...this.spec, ...paths, env, runDir: this.runDir }
      const { exited, unref } = await this.events.launch(this, options, (identity, mark) => {
        this.identity = identity
        this.markedAs = mark
        this.since = Date.now()
        this.startedBy = this.events.order(this)
        this.record('running')
        onSpawned?.()
      })
      this.exited = exited
      unref()
      await this.untilReady(exited, signal, isPortOurs)
      this.become('ready', undefined)
      return { exited }
    } catch (error) {
      // Let go of while it starts: it goes on starting, and whoever adopts it sees how it ends.
      if (this.life.signal.reason !== RELEASED) await this.giveUp(error, signal.aborted)
      throw error
    }
  }

  /** Throws when the process ends, or stays unhealthy, before it is ready. */
  private async untilReady(exited: Running['exited'], signal: AbortSignal, isPortOurs: boolean): Promise<void> {
    const ended = new AbortController()
    const crashed = exited.then((exit) => {
      ended.abort()
      throw this.explain(exit)
    })
    const either = AbortSignal.any([signal, ended.signal])
    const ready = async () => {
      const { health } = this.spec
      const check = isPortOurs ? health : { ...health, probe: (signal: AbortSignal) => this.probeOwn(signal) }
      const verdict = await untilHealthy(check, either)
      if (ended.signal.aborted) return crashed
      if (!verdict.ok) throw explainUnhealthy(this.spec, verdict.reason, this.identity, this.evidence())
      return this.spec.afterReady?.(either)
    }
    await Promise.race([crashed, ready()])
  }

  /** An answer counts only when it is this process that answers, not one that took its port meanwhile. */
  private async probeOwn(signal: AbortSignal): Promise<ProbeResult> {
    const { health } = this.spec
    const result = await health.probe(signal)
    if (!result.ok || health.port === undefined || this.identity === undefined) return result
    const stranger = strangerOn(health.port, this.identity.pid)
    return stranger === undefined
      ? result
      : { ok: false, reason: `port ${health.port} is used by ${stranger.command} (pid ${stranger.pid})` }
  }

  private async giveUp(error: unknown, interrupted: boolean): Promise<void> {
    if (this.identity !== undefined) {
      await this.end(this.identity)
      killGroup(this.identity.pid)
    }
    this.identity = undefined
    if (interrupted) this.become('stopped', 'interrupted while starting')
    else if (isEnvMissing(error)) this.become('crashed', `${toErrorShape(error).message} Give it and run: shiv start`)
    else this.become('crashed', toErrorShape(error).message)
    this.record('crashed')
  }

  private async end(identity: ProcessIdentity): Promise<void> {
    const { debug, stop } = this.spec
    const isIdle = debug?.protocol === 'node-inspector' ? () => this.evidence().at(-1) === WAITS_FOR_DEBUGGER : undefined
    await terminate(identity, { ...stop, exited: this.exited, ...(isIdle && { isIdle }) })
  }

  /** Starts what was ended for a successor that did not come. */
  private async keepStarting(): Promise<void> {
    try {
      await this.keep(await this.attempt(this.life.signal))
    } catch (error) {
      if (!this.life.signal.aborted && !isEnvMissing(error)) await this.keep(undefined, toErrorShape(error).message)
    }
  }

  /** Watches the process until it is let go of, and starts it again whenever it ends. */
  private async keep(first: Running | undefined, causeBefore = ''): Promise<void> {
    const life = this.life.signal
    let running = first
    let cause = causeBefore
    let evidence: string[] = []
    for (let crashes = 1; ; crashes += 1) {
      if (running !== undefined) {
        const began = performance.now()
        const exit = await this.watchUntilExit(running.exited, life)
        if (life.aborted) return
        if (this.identity !== undefined) killGroup(this.identity.pid)
        if (performance.now() - began > STABLE_MS) crashes = 1
        const error = this.explain(exit)
        cause = error.message
        evidence = error.evidence
      }
      this.noteCrash(cause)
      if (crashes === LOOP) this.events.looping(this, evidence)
      if (!(await pauseBefore(crashes, life))) return
      try {
        running = await this.attempt(life)
      } catch (error) {
        // Only a start that brings the value mends it.
        if (life.aborted || isEnvMissing(error)) return
        running = undefined
        ;({ message: cause, evidence = [] } = toErrorShape(error))
      }
    }
  }

  private async watchUntilExit(exited: Running['exited'], life: AbortSignal): Promise<Exit | undefined> {
    const ended = new AbortController()
    void this.checkHealth(AbortSignal.any([life, ended.signal]))
    const exit = await raceAbort(exited, life)
    ended.abort()
    return exit === 'aborted' ? undefined : exit
  }

  /** Liveness goes on for as long as the process lives; one that stops answering gets no traffic until it answers again. */
  private async checkHealth(signal: AbortSignal): Promise<void> {
    const { health } = this.spec
    let failures = 0
    while (await pause(this.state === 'ready' ? health.periodMs : Math.min(health.periodMs, 500), signal)) {
      const result = await health.probe(signal)
      if (signal.aborted) return
      failures = result.ok ? 0 : failures + 1
      if (result.ok) this.become('ready', undefined)
      else if (failures >= health.failureThreshold) this.become('unready', result.reason)
    }
  }

  private noteCrash(cause: string): void {
    this.restarts += 1
    this.identity = undefined
    this.since = Date.now()
    this.become('crashed', cause)
    this.record('crashed')
  }

  private explain(exit: Exit | undefined): ShivError {
    return explainCrash(this.spec, describeExit(exit), this.evidence())
  }

  /** The last lines that its process wrote. */
  evidence(): string[] {
    return lastLines(logPaths(this.runDir, this.spec.id), this.mark)
  }

  private become(state: ReplicaState, cause: string | undefined): void {
    if (this.state === state && this.cause === cause) return
    this.state = state
    this.cause = cause
    this.events.changed(this)
  }

  private record(state: ProcessRecord['state']): void {
    const { id, kind, source, unit, replica, ports, debug, opensDebuggerLate, hash, stop } = this.spec
    const { identity, since, restarts, cause, startedBy, markedAs } = this
    writeRecord(this.runDir, {
      id,
      kind,
      source,
      unit,
      replica,
      ports,
      debug,
      opensDebuggerLate,
      hash,
      stop,
      identity,
      since,
      restarts,
      state,
      cause,
      startedBy,
      markedAs,
    })
  }
}

function isEnvMissing(error: unknown): boolean {
  return error instanceof ShivError && error.code === 'ENV_MISSING'
}
