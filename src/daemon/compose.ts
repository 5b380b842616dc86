import { ShivError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Redactor } from '../core/redact.ts'
import { openEngine, type Engine } from '../engine/engine.ts'
import type { DeployDrivers } from '../engine/deploy/ports.ts'
import type { DependencyDriver } from '../engine/dependency-ports.ts'
import type { EngineParts } from '../engine/parts.ts'
import type { BuildContainers } from '../engine/reload/build-step.ts'
import type { FrontDoor, Runtime } from '../engine/ports.ts'
import type { RuntimeName } from '../plan/types.ts'

export interface Composition {
  engine: Engine
  /** Lets runs go (or ends them) and closes the front door. */
  close(options: { keepRuns: boolean }): Promise<void>
}

/** Puts engine and drivers together. Each driver is loaded when it is first needed, so that an idle daemon stays small. */
export function compose(options: { home: string; redactor: Redactor; log: Log }): Composition {
  const { home, redactor, log } = options
  let door: Promise<FrontDoor> | undefined
  let containers: Promise<BuildContainers> | undefined
  let dependencies: Promise<DependencyDriver> | undefined
  let deployment: Promise<DeployDrivers> | undefined
  const closers: (() => void)[] = []

  const makers: Record<RuntimeName, () => Promise<Runtime>> = {
    async process() {
      const { createProcessRuntime } = await import('../drivers/process/runtime.ts')
      const { HELPER_SCRIPTS } = await import('../plan/reload-helper.ts')
      return createProcessRuntime({
        home,
        spareScripts: { node: HELPER_SCRIPTS['spare.cjs'], python: HELPER_SCRIPTS['spare.py'] },
        serviceUrl: (workspace, service) => engine.serviceUrl(workspace, service),
        dependencyAddress: (runId, name) => engine.dependencyAddress(runId, name),
      })
    },
    async kind() {
      const { composeKind } = await import('./compose-kind.ts')
      const { runtime, close } = composeKind({ home })
      closers.push(close)
      return runtime
    },
    async context() {
      throw new ShivError('A run on a cluster of the kubeconfig is not offered here.', {
        code: 'RUNTIME_UNKNOWN',
        exit: 2,
        hint: 'shiv start --runtime kind, or --runtime process',
      })
    },
  }
  const made = new Map<RuntimeName, Promise<Runtime>>()
  const parts: EngineParts = {
    home,
    redactor,
    log,
    runtime(name) {
      const runtime = made.get(name) ?? makers[name]()
      made.set(name, runtime)
      runtime.catch(() => made.delete(name)) // told to who asked; the next one may have more luck
      return runtime
    },
    frontDoor: () => (door ??= import('../drivers/proxy/front-door.ts').then(({ createFrontDoor }) => createFrontDoor({ home }))),
    dependencies: () =>
      (dependencies ??= import('../drivers/dependency/engine.ts').then(({ createDependencyDriver }) =>
        createDependencyDriver({ home, conceal: (secret) => redactor.add(secret) }),
      )),
    async watcher(root) {
      const { chooseWatcher } = await import('../drivers/watch/choose-watcher.ts')
      return chooseWatcher(root)
    },
    command: async () => (await import('../drivers/process/host-command.ts')).runHostCommand,
    buildContainers: () =>
      (containers ??= import('../drivers/docker/build-container.ts').then((m) => m.createBuildContainers({ home }))),
    deployment: () => (deployment ??= import('./compose-deploy.ts').then(({ composeDeploy }) => composeDeploy({ home }))),
    planner: async () => (await import('../engine/planner.ts')).planner,
  }
  const engine = openEngine(parts)
  return {
    engine,
    async close(how) {
      await engine.close(how)
      for (const end of closers) end()
      await (await door)?.close()
    },
  }
}
