import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { ShivError } from '../../src/core/errors.ts'
import type {
  Authority,
  DependencyDriver,
  DependencyEvent,
  DependencySetting,
  OpenDependency,
  PodPlace,
} from '../../src/engine/dependency-ports.ts'
import { freePort } from './free-port.ts'

export interface FakeDependencies extends DependencyDriver {
  /** By name, those that listen now. */
  open: Map<string, FakeDependency>
  /** What was done to ways and doors, in order. */
  asked: string[]
  /** API servers, by context. */
  servers: Record<string, string>
  /** Thrown by the next `open` or `set` of that name. */
  failures: Map<string, Error>
  /** Connections that came by a pod door are announced here. */
  places: PodPlace[]
  /** Of the authority of every run. */
  certificate: string
}

export interface FakeDependency extends OpenDependency {
  setting: DependencySetting
  authority?: Authority
  /** Tells the engine that something passed. */
  pass(summary: string, outcome?: DependencyEvent['outcome']): void
}

/** A proxy on real sockets that says to each connection which setting serves it: `billing staging staging (https://…)`. */
export function createFakeDependencies(): FakeDependencies {
  const ports = new Map<string, number>()
  const fake: FakeDependencies = {
    open: new Map(),
    asked: [],
    servers: {},
    failures: new Map(),
    places: [],
    certificate: 'the authority',
    authority: async (folder) => ({
      certificate: fake.certificate,
      files: { authority: `${folder}/ca.pem`, bundle: `${folder}/trusted.pem` },
      issue: () => ({ certificate: '', key: '', endsAt: 0 }),
    }),
    proxy: () => ({
      check: async () => {},
      async open(setting, { port, onEvent, authority }) {
        fail(setting.name)
        const server = createServer((socket) => dependency.accept(socket))
        const bound = (await listen(server, port ?? 0)) ?? (await listen(server, 0))!
        const sockets = new Set<Socket>()
        server.on('connection', (socket) => {
          sockets.add(socket)
          socket.once('close', () => sockets.delete(socket))
        })
        const dependency: FakeDependency = {
          port: bound,
          setting,
          ...(authority && { authority }),
          accept: (socket) => void socket.end(describe(dependency.setting)),
          set(next) {
            fail(next.name)
            dependency.setting = next
          },
          health: () => ({ state: 'ready', requests: 1, refused: 0, failed: 0, openConnections: sockets.size }),
          async close() {
            fake.open.delete(setting.name)
            for (const socket of sockets) socket.destroy()
            await new Promise((resolve) => server.close(resolve))
          },
          pass: (summary, outcome = 'answered') =>
            onEvent({
              dependency: setting.name,
              time: Date.now(),
              durationMs: 1,
              protocol: setting.protocol,
              summary,
              outcome,
              servedBy: outcome === 'refused' ? 'guard' : 'upstream',
              sentBytes: 0,
              receivedBytes: 0,
            }),
        }
        fake.open.set(setting.name, dependency)
        return dependency
      },
    }),
    async reach(target) {
      const what = target.kind === 'url' ? target.url : target.kind === 'service' ? target.service : target.database
      fake.asked.push(`reach ${what}`)
      return {
        upstream: { url: new URL(target.kind === 'url' ? target.url : `http://${what}`), label: `staging (${what})` },
        close: async () => void fake.asked.push(`leave ${what}`),
      }
    },
    async serverOf(context) {
      const server = fake.servers[context]
      if (server) return new URL(server)
      throw new ShivError(`no context ${context}`, { code: 'DEPENDENCY_CONTEXT_UNKNOWN' })
    },
    async choosePorts(keys) {
      const chosen: number[] = []
      for (const key of keys) {
        const port = ports.get(key) ?? (await freePort())
        ports.set(key, port)
        chosen.push(port)
      }
      return chosen
    },
    async forgetPorts(prefix) {
      for (const key of ports.keys()) if (key.startsWith(prefix)) ports.delete(key)
    },
    checkRecording: async () => [],
    mergeRecordings: async () => {},
    async openPodDoor(place, onSocket) {
      const server = createServer(onSocket)
      const port = (await listen(server, 0))!
      fake.places.push(place)
      return { port, close: async () => void server.close() }
    },
  }
  const fail = (name: string): void => {
    const failure = fake.failures.get(name)
    fake.failures.delete(name)
    if (failure) throw failure
  }
  return fake
}

export const describe = ({ name, mode, upstream, access }: DependencySetting): string =>
  `${name} ${mode} ${upstream?.label ?? 'nobody'} ${access.level}`

function listen(server: Server, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined)) // taken: the caller tries another
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
