import type { Overlay } from '../../engine/ports.ts'
import { type Agent, type Started, StreamLost } from './agent.ts'
import type { Hello } from './answers.ts'
import { type Brought, bring, prove } from './bring.ts'
import { createChange } from './change.ts'
import { stayConnected } from './connection.ts'
import { type Known, allOf, learn } from './holding.ts'
import type { SharedFrames } from './shared-frames.ts'
import type { Transport } from './transport.ts'

/** What a container is to hold and run. */
export interface Wish {
  overlay: Overlay
  mark: string
  sequence: number
  /** `process`, `none`, or a signal's name without SIG. */
  how: string
  /** How long the service may take until it answers. */
  seconds: number
  /** Shared with other containers that are given the same, as long as it is open. */
  frames?: SharedFrames
}

export type Put =
  | { state: 'held'; refused: { path: string; cause: string }[] }
  /** Not now; once told to converge, the channel goes on trying and starts the service by itself. */
  | { state: 'pending'; cause: string }

export type Run = Started | { state: 'pending'; cause: string }

export interface ChannelOptions {
  /** The code folder in the container. */
  root: string
  connect(signal: AbortSignal): Promise<Transport>
  /** The service ended by itself. */
  onCrash?(code: number): void
  /** What nobody waits for and that cannot be mended. */
  onTrouble?(message: string): void
  /** How long a put or start waits for a container that cannot be reached. */
  patienceMs?: number
  /** How long a container may take from the first byte to its hello, before another stream is opened. */
  greetingMs?: number
  /** After how long refused files are tried again at first. */
  retryMs?: number
}

/** The way to one container, for as long as it is there. Declarative: it is told the newest wish and finds out what is missing. */
export interface Channel {
  /** Resolves when the container holds this wish or a newer one; what was not sent yet is overtaken by the newer. */
  put(wish: Wish, onSent?: () => void): Promise<Put>
  /** Makes the container run what it holds; resolves when that, or what a newer wish brought, answers or has failed. */
  start(wish: Wish, onStarted?: () => void): Promise<Run>
  /** From now on it converges by itself to this wish, whatever happens to the container, until the next put. */
  converge(wish: Wish): void
  /** The container may be reachable now. */
  nudge(): void
  hashes(paths: readonly string[]): Promise<Map<string, string>>
  /** What it is known to hold and to run; undefined while it cannot be asked. */
  readonly held: { mark: string | undefined; sequence: number; running: number } | undefined
  close(): void
}

/** So often a container may lose what it was given. */
const PROOFS = 3
const RETRY_MOST_MS = 60_000

export function createChannel(options: ChannelOptions): Channel {
  const change = createChange()
  const firstRetryMs = options.retryMs ?? 5_000
  const sentListeners = new WeakMap<Wish, () => void>()
  let agent: Agent | undefined
  let lostAt: number | undefined = performance.now()
  let lostBy = 'it was not reached yet'
  let isClosed = false
  /** Nobody else will start what is brought. */
  let isAlone = false
  /** The container has not begun the service: what completes its files lets it begin. */
  let isWaiting = false
  let wish: Wish | undefined
  let boot: string | undefined
  let known: Known = new Map()
  let held: { mark: string | undefined; sequence: number } = { mark: undefined, sequence: 0 }
  let running = 0
  /** The newest order that wants a new process. */
  let processDue = 0
  let refused = new Map<string, string>()
  let brought: Brought = { refused: new Map(), taken: [] }
  let retry: { timer?: NodeJS.Timeout; ms: number; isDue: boolean } = { ms: firstRetryMs, isDue: false }
  let working: Promise<void> | undefined
  let proofs = 0
  const stamps = new Map<string, number>()

  const isMissing = () => wish !== undefined && (held.sequence < wish.sequence || retry.isDue)
  const reach = (holds: () => boolean) =>
    change.until(
      () => isClosed || (agent !== undefined && holds()),
      () => (lostAt === undefined ? undefined : lostAt + (options.patienceMs ?? 2_000)),
    )

  const want = (next: Wish) => {
    if (wish !== undefined && wish.sequence > next.sequence) return
    if (wish?.sequence !== next.sequence) distrust(next.sequence)
    wish = next
    if (next.how === 'process') processDue = next.sequence
  }

  /** No container has an order that is only now given, whatever number it was told by who had another clock. */
  const distrust = (sequence: number) => {
    held.sequence = Math.min(held.sequence, sequence - 1)
    running = Math.min(running, sequence - 1)
  }

  const work = () => {
    working ??= workOff().finally(() => {
      working = undefined
      if (agent !== undefined && isMissing()) work()
    })
  }

  const workOff = async (): Promise<void> => {
    const to = agent
    try {
      while (to !== undefined && to === agent && wish !== undefined && isMissing()) {
        const aim = wish
        const isRetry = retry.isDue && held.sequence === aim.sequence
        retry.isDue = false
        const frames = isRetry ? undefined : aim.frames
        brought = await bring(to, { root: options.root, ...aim }, known, stamps, sentListeners.get(aim), frames)
        refused = brought.refused
        held = { mark: refused.size === 0 ? aim.mark : undefined, sequence: aim.sequence }
        if (isWaiting && held.mark !== undefined) {
          isWaiting = false
          running = Math.max(running, aim.sequence)
        }
        if (isRetry && brought.taken.length > 0) running = Math.min(running, aim.sequence - 1)
        planRetry()
        change.announce()
      }
      if (to !== undefined && to === agent && isAlone) await startAlone(to)
    } catch (error) {
      giveUp(to, error)
    }
  }

  /** Nothing is sent over it any more, even before its end is told. */
  const lose = () => {
    agent = undefined
    lostAt ??= performance.now()
    change.announce()
  }

  /** What failed is done anew over a new stream. */
  const giveUp = (to: Agent | undefined, error: unknown) => {
    if (!(error instanceof StreamLost)) lostBy = error instanceof Error ? error.message : String(error)
    to?.close()
    if (agent === to) lose()
  }

  /** Not awaited by who brings: a newer wish overtakes a service that takes its time. */
  const startAlone = async (to: Agent) => {
    if (wish === undefined || running >= processDue) return
    launch(to, { ...wish, how: 'process' }).catch((error: unknown) => giveUp(to, error))
  }

  /** Files that were refused are tried again, less and less often. */
  const planRetry = () => {
    clearTimeout(retry.timer)
    if (refused.size === 0) {
      retry = { ms: firstRetryMs, isDue: false }
      return
    }
    const timer = setTimeout(() => {
      retry.isDue = true
      work()
    }, retry.ms).unref()
    retry = { timer, ms: Math.min(RETRY_MOST_MS, retry.ms * 2), isDue: false }
  }

  const launch = async (to: Agent, aim: Wish, onStarted?: () => void): Promise<Started> => {
    const done = await to.restart(aim.sequence, aim.how, aim.seconds, () => {
      running = Math.max(running, aim.sequence)
      onStarted?.()
    })
    proveLater(to)
    return done
  }

  /** Reads back what was sent, when the service has its start behind it; what is not there is sent, and started, again. */
  const proveLater = (to: Agent) => {
    const proven = brought
    brought = { refused: proven.refused, taken: [] }
    if (proven.taken.length === 0) return
    judge(to, proven).catch((error: unknown) => giveUp(to, error))
  }
  const judge = async (to: Agent, proven: Brought): Promise<void> => {
    const wrong = await prove(to, proven, known)
    if (wrong.length === 0) proofs = 0
    else if (++proofs <= PROOFS) sendAgain()
    else options.onTrouble?.(`the container does not keep what it is given: ${wrong.join(', ')}`)
  }

  const sendAgain = () => {
    retry.isDue = true
    isAlone = true
    work()
  }

  /** Finds out what a container holds that was just reached. */
  const meet = async (fresh: Agent): Promise<void> => {
    const { hello } = fresh
    const isUnchanged = hello.boot === boot && held.mark !== undefined && hello.mark === held.mark
    running = runningOf(hello)
    isWaiting = hello.condition === 'waiting'
    if (wish !== undefined && hello.mark === wish.mark) {
      known = allOf(wish.overlay)
      held = { mark: hello.mark, sequence: Math.min(hello.sequence, wish.sequence) }
    } else if (!isUnchanged) {
      known = wish === undefined ? new Map() : await learn(fresh, wish.overlay)
      held = { mark: hello.mark, sequence: wish === undefined ? hello.sequence : 0 }
    }
    boot = hello.boot
    brought = { refused: new Map(), taken: [] }
    agent = fresh
    lostAt = undefined
    change.announce()
    work()
  }

  /** A number above ours was given by who had another clock: what runs is the wish only where its files say so. */
  const runningOf = (hello: Hello): number => {
    if (wish === undefined || hello.running <= wish.sequence) return hello.running
    return hello.mark === wish.mark && hello.running === hello.sequence ? wish.sequence : 0
  }

  const connection = stayConnected(
    options.connect,
    {
      opened(fresh) {
        fresh.onCrash((code) => options.onCrash?.(code))
        meet(fresh).catch((error: unknown) => giveUp(fresh, error))
      },
      lost(cause) {
        lostBy = cause
        lose()
      },
    },
    options.greetingMs,
  )

  return {
    get held() {
      return agent === undefined ? undefined : { ...held, running }
    },
    async put(next, onSent) {
      isAlone = false
      want(next)
      if (onSent !== undefined) sentListeners.set(next, onSent)
      work()
      if (!(await reach(() => held.sequence >= next.sequence)) || isClosed) return { state: 'pending', cause: lostBy }
      return { state: 'held', refused: [...refused].map(([path, cause]) => ({ path, cause })) }
    },
    async start(aim, onStarted) {
      for (;;) {
        if (!(await reach(() => held.sequence >= aim.sequence)) || isClosed) return { state: 'pending', cause: lostBy }
        const newest = wish !== undefined && held.sequence >= wish.sequence ? wish : aim
        const how = running < processDue ? 'process' : newest.how === 'process' ? 'none' : newest.how
        const to = agent as Agent
        try {
          return await launch(to, { ...newest, how }, onStarted)
        } catch (error) {
          giveUp(to, error)
          if (!(error instanceof StreamLost)) return { state: 'pending', cause: lostBy }
        }
      }
    },
    converge(next) {
      want(next)
      isAlone = true
      work()
    },
    nudge: () => connection.nudge(),
    async hashes(paths) {
      if (!(await reach(() => true)) || isClosed) throw new StreamLost(lostBy)
      return (agent as Agent).hashes(paths)
    },
    close() {
      isClosed = true
      clearTimeout(retry.timer)
      connection.close()
      change.announce()
    },
  }
}
