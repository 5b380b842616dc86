import { openReleaseCluster } from '../drivers/deploy/cluster.ts'
import { findContext } from '../drivers/dependency/user-kubeconfig.ts'
import { createImageBuilder } from '../drivers/docker/image-builder.ts'
import { sourceReader } from '../drivers/git/read-source.ts'
import { createRegistry } from '../drivers/registry/registry.ts'
import type { DeployDrivers } from '../engine/deploy/ports.ts'

/** What deploying needs: images of the user's Docker, registries with the user's credentials, clusters of the user's kubeconfig. */
export function composeDeploy({ home }: { home: string }): DeployDrivers {
  return {
    images: createImageBuilder({ home }),
    registry: createRegistry(),
    source: sourceReader,
    open: openReleaseCluster,
    // A context that the kubeconfig does not have leads nowhere, so not to production either.
    serverOf: (context, caller) =>
      findContext(context, caller).then(
        ({ server }) => server.host,
        () => undefined,
      ),
  }
}
