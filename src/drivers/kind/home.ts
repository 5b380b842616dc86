import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import type { ProcessIdentity } from '../../core/process-identity.ts'

/** What shiv remembers of a cluster that it made. Written before the first container, so that an interrupted run is known as one. */
export interface ClusterRecord {
  version: 1
  name: string
  state: 'creating' | 'ready'
  /** Asked for, for example `1.34`. */
  kubernetes: string
  workers: number
  /** Container of the control plane, once it is ready: another one of the same name is not the cluster of this record. */
  node?: string
  /** The `kind create` that works on it. */
  creator?: ProcessIdentity
}

/** The folder of a cluster in shiv's home: record, kind's configuration and output, kubeconfig. All of it is private. */
export interface ClusterHome {
  readonly kubeconfig: string
  readonly config: string
  readonly log: string
  /** kind writes its own kubeconfig as its last act: where it is, the creation was completed. */
  readonly completed: string
  read(): Promise<ClusterRecord | undefined>
  write(record: ClusterRecord): Promise<void>
  remove(): Promise<void>
}

export function openClusterHome(home: string, cluster: string): ClusterHome {
  const folder = join(home, 'clusters', cluster)
  const record = join(folder, 'cluster.json')
  return {
    kubeconfig: join(folder, 'kubeconfig'),
    config: join(folder, 'kind.yaml'),
    log: join(folder, 'kind.log'),
    completed: join(folder, 'kind.kubeconfig'),
    async read() {
      try {
        return JSON.parse(await readFile(record, 'utf8')) as ClusterRecord
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    async write(value) {
      makePrivateFolder(folder)
      await writeFileAtomic(record, JSON.stringify(value))
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
