import { createImageBuilder } from '../drivers/docker/image-builder.ts'
import { createKindDriver } from '../drivers/kind/kind-driver.ts'
import { createKindRuntime } from '../drivers/kubernetes/runtime.ts'
import type { Runtime } from '../engine/ports.ts'

/** The kind runtime: cluster, image builder and Kubernetes driver put together; `close` ends the streams into nodes. */
export function composeKind(options: { home: string }): { runtime: Runtime; close(): void } {
  const { home } = options
  const cluster = createKindDriver({ home })
  const images = createImageBuilder({ home })
  return { runtime: createKindRuntime({ home, cluster, images }), close: () => cluster.close() }
}
