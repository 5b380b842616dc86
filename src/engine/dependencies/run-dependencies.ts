import { toErrorShape, type ErrorShape } from '../../core/errors.ts'
import type { RemoteMode, RemotePlan } from '../../plan/remote.ts'
import type { Plan } from '../../plan/types.ts'
import type {
  Authority,
  DependencyAddress,
  DependencyCaller,
  DependencyDriver,
  DependencyEvent,
  DependencySetting,
  OpenDependency,
  PodDoor,
  PodPlace,
  Reach,
  Upstream,
} from '../dependency-ports.ts'
import type { Entrance } from './entrance.ts'
import { createEventRing, type EventRing } from './event-ring.ts'
import { environmentOf, leadsOut, refuseProduction, refuseProductionCluster } from './guard.ts'
import { localUpstream, type LocalWorld } from './local-way.ts'
import { modeOf, settingOf, type Override } from './setting.ts'

export interface DependencyParts {
  runId: string
  /** Of the workspace. */
  root: string
  /** Of the run; nobody else reads it. */
  folder: string
  driver(): Promise<DependencyDriver>
  entrances(remotes: RemotePlan[]): Promise<Record<string, Entrance>>
  /** The environment of the caller of the last start. */
  environment(): NodeJS.ProcessEnv
  /** What was switched by command, by name. */
  overrides(): Record<string, Override>
  /** Told of a mistake in the proxy's own code, by the dependency's name. */
  onDefect(name: string, error: unknown): void
  local: LocalWorld
}

/** One dependency of a run. */
export interface Held {
  remote: RemotePlan
  ring: EventRing
  setting?: DependencySetting
  open?: OpenDependency
  /** Why it is not served, or not as asked; kept until it is. */
  error?: ErrorShape
}

interface Holding extends Held {
  entrance?: Entrance
  reach?: KeyedReach
  /** Of the authority that it was opened with. */
  certificate?: string
  pods?: { place: PodPlace; door: PodDoor }
}

/** A way, and what it was made for. */
interface KeyedReach {
  key: string
  reach: Reach
}

/** How a dependency is to be served, before it is. */
interface Prepared {
  holding: Holding
  remote: RemotePlan
  setting: DependencySetting
  /** A way that was made for it, and takes the place of the one before once it serves. */
  fresh?: KeyedReach
}

type Remotes = Pick<Plan, 'remotes' | 'remoteEnvironments'>

const NONE: Remotes = { remotes: [], remoteEnvironments: [] }

/** The dependencies of one run outside of its workspace: what is open is what the Plan says, each at a port of its own that stays. */
export class RunDependencies {
  readonly #parts: DependencyParts
  readonly #held = new Map<string, Holding>()
  #plan: Remotes = NONE
  #authority: Authority | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: DependencyParts) {
    this.#parts = parts
  }

  /** In the order of the Plan. */
  get all(): Held[] {
    return this.#plan.remotes.flatMap(({ name }) => this.#held.get(name) ?? [])
  }

  get(name: string): Held | undefined {
    return this.#held.get(name)
  }

  /** Where services of this machine reach it, and what they show to be let in. */
  address(name: string): DependencyAddress | undefined {
    const holding = this.#held.get(name)
    return holding?.open && { host: '127.0.0.1', port: holding.open.port, ...this.#entranceOf(holding) }
  }

  /**
   * Opens what is new, switches what changed and closes what left the Plan; connections of the rest stay. Throws the first ShivError;
   * nothing has changed then, unless it was a port or a recording that could not be opened. `lenient` serves what can be served instead,
   * and keeps the others' errors.
   */
  keep(plan: Remotes, { lenient = false } = {}): Promise<void> {
    return this.#inOrder(async () => {
      const { remotes } = plan
      if (remotes.length === 0 && this.#held.size === 0) return
      const driver = await this.#parts.driver()
      const entrances = await this.#parts.entrances(remotes)
      if (remotes.some(({ inCluster }) => inCluster.tls))
        this.#authority = await driver.authority(this.#parts.folder, this.#caller)
      const prepared: Prepared[] = []
      const failed: Holding[] = []
      for (const remote of remotes) {
        const holding = this.#held.get(remote.name) ?? { remote, ring: createEventRing() }
        try {
          prepared.push(await this.#prepare(holding, remote, { plan, entrance: entrances[remote.name], driver }))
        } catch (error) {
          if (!lenient) {
            await discard(prepared)
            throw error
          }
          failed.push(Object.assign(holding, { error: toErrorShape(error) }))
        }
      }
      this.#plan = plan
      for (const holding of failed) this.#held.set(holding.remote.name, holding)
      for (const one of prepared) {
        this.#held.set(one.remote.name, one.holding)
        try {
          await this.#serve(one, driver)
        } catch (error) {
          one.holding.error = toErrorShape(error)
          if (!lenient) throw error
        }
      }
      const names = new Set(remotes.map(({ name }) => name))
      await Promise.all([...this.#held.values()].filter(({ remote }) => !names.has(remote.name)).map((gone) => this.#drop(gone)))
    })
  }

  /** Serves a dependency by what is switched now; requests under way end as they began. Throws ShivError, and then nothing has changed. */
  refresh(name: string): Promise<void> {
    return this.#inOrder(async () => {
      const holding = this.#held.get(name)
      if (holding === undefined) return
      const driver = await this.#parts.driver()
      const entrances = await this.#parts.entrances([holding.remote])
      const options = { plan: this.#plan, entrance: entrances[name], driver }
      await this.#serve(await this.#prepare(holding, holding.remote, options), driver)
    })
  }

  /** Lets pods in: each dependency listens at `place` too. The addresses by name; idempotent. */
  openToPods(place: PodPlace): Promise<Map<string, DependencyAddress>> {
    return this.#inOrder(async () => {
      const driver = await this.#parts.driver()
      const addresses = new Map<string, DependencyAddress>()
      for (const holding of this.#held.values()) {
        const { open, remote } = holding
        if (open === undefined) continue
        if (JSON.stringify(holding.pods?.place) !== JSON.stringify(place)) {
          await holding.pods?.door.close()
          holding.pods = { place, door: await driver.openPodDoor(place, (socket) => open.accept(socket), open.port) }
        }
        const port = holding.pods?.door.port ?? open.port
        addresses.set(remote.name, { host: place.address, port, ...this.#entranceOf(holding) })
      }
      return addresses
    })
  }

  /** Closes all; ports and entrances are remembered. */
  close(): Promise<void> {
    return this.#inOrder(async () => {
      await Promise.all([...this.#held.values()].map((holding) => this.#drop(holding)))
      this.#plan = NONE
    })
  }

  /** What services show, and whom they trust, to be let in. */
  #entranceOf({ entrance, remote }: Holding): Partial<DependencyAddress> {
    const { certificate, files } = this.#authority ?? {}
    return { ...entrance, ...(remote.inCluster.tls && certificate && files && { trust: { certificate, files } }) }
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work)
    this.#last = mine.catch(() => {}) // told to who asked
    return mine
  }

  async #prepare(
    holding: Holding,
    remote: RemotePlan,
    { plan, entrance, driver }: { plan: Remotes; entrance: Entrance | undefined; driver: DependencyDriver },
  ): Promise<Prepared> {
    const override = this.#parts.overrides()[remote.name] ?? {}
    const way = await this.#wayTo(holding, remote, { mode: modeOf(remote, override), plan, driver })
    try {
      const setting = settingOf(remote, {
        override,
        upstream: way.upstream,
        root: this.#parts.root,
        clientPassword: entrance?.password,
      })
      if (entrance) holding.entrance = entrance
      return { holding, remote, setting, ...(way.fresh && { fresh: way.fresh }) }
    } catch (error) {
      await way.fresh?.reach.close()
      throw error
    }
  }

  async #wayTo(
    holding: Holding,
    remote: RemotePlan,
    { mode, plan, driver }: { mode: RemoteMode; plan: Remotes; driver: DependencyDriver },
  ): Promise<{ upstream?: Upstream; fresh?: KeyedReach }> {
    if (mode === 'local') return { upstream: localUpstream(remote, this.#parts.local) }
    if (!leadsOut(mode, remote)) return {}
    const { remoteEnvironments } = plan
    refuseProduction(remote, remoteEnvironments)
    await refuseProductionCluster(remote, remoteEnvironments, (context) => driver.serverOf(context, this.#caller))
    const environment = environmentOf(remote, remoteEnvironments)
    const key = JSON.stringify([remote.target, environment])
    if (holding.reach?.key === key) return { upstream: holding.reach.reach.upstream }
    const reach = await driver.reach(remote.target, { ...(environment && { environment }), caller: this.#caller })
    return { upstream: reach.upstream, fresh: { key, reach } }
  }

  /** Asked anew each time: the next start may bring another environment. */
  get #caller(): DependencyCaller {
    const { root, environment } = this.#parts
    return {
      folder: root,
      get environment() {
        return environment()
      },
    }
  }

  async #serve(prepared: Prepared, driver: DependencyDriver): Promise<void> {
    const { holding, remote, setting, fresh } = prepared
    try {
      const authority = remote.inCluster.tls ? this.#authority : undefined
      const isFit = holding.setting?.protocol === setting.protocol && holding.certificate === authority?.certificate
      if (holding.open !== undefined && isFit) {
        await driver.proxy(this.#caller).check(setting)
        holding.open.set(setting)
      } else {
        await this.#shut(holding)
        holding.open = await this.#open(holding, setting, { driver, authority })
        if (authority) holding.certificate = authority.certificate
        else delete holding.certificate
      }
    } catch (error) {
      await discard([prepared])
      throw error
    }
    Object.assign(holding, { remote, setting })
    delete holding.error
    if (fresh === undefined) return
    const old = holding.reach
    holding.reach = fresh
    await old?.reach.close()
  }

  async #open(
    holding: Holding,
    setting: DependencySetting,
    { driver, authority }: { driver: DependencyDriver; authority: Authority | undefined },
  ): Promise<OpenDependency> {
    const [port = 0] = await driver.choosePorts([portKey(this.#parts.runId, setting.name)])
    const onEvent = (event: DependencyEvent): void => holding.ring.add(event)
    const onDefect = (error: unknown): void => this.#parts.onDefect(setting.name, error)
    return driver.proxy(this.#caller).open(setting, { port, onEvent, onDefect, ...(authority && { authority }) })
  }

  async #shut(holding: Holding): Promise<void> {
    const { open, pods } = holding
    delete holding.open
    delete holding.pods
    await Promise.all([pods?.door.close(), open?.close()])
  }

  async #drop(holding: Holding): Promise<void> {
    this.#held.delete(holding.remote.name)
    await this.#shut(holding)
    await holding.reach?.reach.close()
  }
}

async function discard(prepared: Prepared[]): Promise<void> {
  await Promise.all(prepared.map(({ fresh }) => fresh?.reach.close()))
}

/** Ports are remembered by it; all of a run by its beginning. */
export function portKey(runId: string, name = ''): string {
  return `${runId}/dependency/${name}`
}
