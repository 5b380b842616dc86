import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createFrontDoor } from '../../../src/drivers/proxy/front-door.ts'
import type { FrontDoor, ReloadOrder, ReloadOutcome, RunContext } from '../../../src/engine/ports.ts'
import { createRoutes, type Routes } from '../../../src/engine/routes.ts'
import type { Plan } from '../../../src/plan/types.ts'
import type { ReloadPolicy } from '../../../src/spec/reload-policy.ts'
import { createWorld, type World } from './world.ts'

/** A world with a front door, whose services are edited. */
export interface ReloadWorld extends World {
  door: FrontDoor
  routes: Routes
  /** Starts a Plan behind the front door. */
  bring(plan: Plan): Promise<void>
  /** Saves the service's file and has the runtime obey. */
  reload(plan: Plan, text: string, options?: { signal?: AbortSignal; service?: string }): Promise<ReloadOutcome>
  /** Where the front door leads to a service. */
  url(service?: string): string
}

export const policy = (more: Partial<ReloadPolicy> = {}): ReloadPolicy => ({
  restart: 'process',
  overlap: false,
  browser: false,
  rules: [],
  ...more,
})

export async function createReloadWorld(): Promise<ReloadWorld> {
  const world = createWorld()
  const door = await createFrontDoor({ home: world.home })
  const routes = createRoutes('shop', async () => door, { debug() {}, info() {}, warn() {}, error() {} } as never)
  let sequence = 0
  const context = (options?: Parameters<World['context']>[0]): RunContext => {
    const plain = world.context(options)
    return {
      ...plain,
      emit(event) {
        plain.emit(event)
        if (event.kind === 'endpoints') void routes.point(event.service, event.port, event.endpoints)
      },
    }
  }
  return Object.assign(Object.create(world) as World, {
    door,
    routes,
    async bring(plan: Plan) {
      await routes.keep(plan)
      await world.runtime.reconcile(plan, context())
    },
    async reload(plan: Plan, text: string, options: { signal?: AbortSignal; service?: string } = {}) {
      const service = plan.services.find(({ name }) => name === (options.service ?? 'web'))!
      writeFileSync(join(service.root, 'server.mjs'), text)
      sequence += 1
      const order: ReloadOrder = {
        service,
        sequence,
        overlay: new Map(),
        mark: `mark ${sequence}`,
        restart: service.reload?.restart ?? 'process',
        hold: () => routes.hold(service.name, 5_000),
        drain: () => routes.drain(service.name, 5_000),
        passed: () => undefined,
        signal: options.signal ?? new AbortController().signal,
      }
      return world.runtime.reload!.apply(plan, order, context())
    },
    url: (service = 'web') => routes.address(service)!.directUrl.replace('localhost', '127.0.0.1'),
    async end() {
      await world.end()
      await door.close()
    },
  })
}
