import type {
  DependencyCaller,
  DependencyDriver,
  DependencySetting,
  OpenDependency,
  OpenOptions,
  ProxyEngine,
} from '../../engine/dependency-ports.ts'
import type { Caller } from './caller.ts'
import type { ReadToken } from './http/bearer.ts'

export interface DependencyDriverOptions {
  /** `shivHome()`: ports are kept there. */
  home: string
  /** Told of every credential that passes, so that nothing that leaves the daemon shows it. */
  conceal(secret: string): void
}

/** The proxy and the ways into other environments. Each protocol's part is loaded when a dependency first speaks it. */
export function createDependencyDriver({ home, conceal }: DependencyDriverOptions): DependencyDriver {
  const known = (caller: DependencyCaller): Caller => ({
    folder: caller.folder,
    conceal,
    get environment() {
      return caller.environment
    },
  })
  const registry = async () => (await import('../process/port-registry.ts')).createPortRegistry(home)
  return {
    proxy: (caller) => createProxyEngine(known(caller)),
    async reach(target, { environment, caller }) {
      if (target.kind === 'url') return (await import('./reach-url.ts')).reachUrl(target, caller)
      const { reachCluster } = await import('./reach-cluster.ts')
      return reachCluster(target, environment, known(caller))
    },
    async serverOf(context, caller) {
      const { findContext } = await import('./user-kubeconfig.ts')
      return (await findContext(context, caller)).server
    },
    async choosePorts(keys) {
      return (await (await registry()).choose(keys.map((key) => ({ key })))).map(({ port }) => port)
    },
    async forgetPorts(prefix) {
      await (await registry()).forget(prefix)
    },
    async authority(folder, caller) {
      return (await import('./authority/open-authority.ts')).openAuthority(folder, { environment: caller.environment })
    },
    checkRecording: async (file) => (await import('./recording/maintain.ts')).checkRecording(file),
    mergeRecordings: async (files, target) => (await import('./recording/maintain.ts')).mergeRecordings(files, target),
    async openPodDoor(place, onSocket, port) {
      return (await import('./pod-door.ts')).openPodDoor(place, onSocket, port)
    },
  }
}

/** Opens each dependency by the part that speaks its protocol. */
function createProxyEngine(caller: Caller): ProxyEngine {
  return {
    async open(setting, options) {
      const open = await openerOf(setting, caller)
      return open(setting, options)
    },
    async check(setting) {
      // A recording that is missing or broken would be told by every request instead.
      const { mode, protocol } = setting
      if (mode !== 'replay' || protocol === 'tcp') return
      const isCommands = protocol === 'postgres' || protocol === 'redis'
      const exchange = isCommands
        ? await (await import('./recording/commands.ts')).openCommands(setting)
        : await (await import('./recording/open-exchange.ts')).openExchange(setting)
      await exchange.close()
    },
  }
}

async function openerOf(
  { protocol }: DependencySetting,
  caller: Caller,
): Promise<(setting: DependencySetting, options: OpenOptions) => Promise<OpenDependency>> {
  switch (protocol) {
    case 'http':
    case 'grpc': {
      const { openHttpDependency } = await import('./http/open.ts')
      const { askForToken } = await import('./tokens.ts')
      const { openExchange } = await import('./recording/open-exchange.ts')
      const readToken: ReadToken = (source, signal) => askForToken(source, caller, signal)
      return (setting, options) => openHttpDependency(setting, { ...options, readToken, openExchange })
    }
    case 'postgres':
      return (await import('./postgres/open-postgres.ts')).openPostgresDependency
    case 'redis':
      return (await import('./redis/open-redis.ts')).openRedisDependency
    case 'tcp':
      return (await import('./tcp/open-tcp.ts')).openTcpDependency
    default:
      return protocol satisfies never
  }
}
