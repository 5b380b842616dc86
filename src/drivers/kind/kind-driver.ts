import { isAlive } from '../../core/process-identity.ts'
import { shivHome } from '../../core/paths.ts'
import type { Cluster, ClusterDriver, Probe } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'
import { execa } from 'execa'
import type { Collection } from '../docker/collect.ts'
import { connectEngine, type Engine } from '../docker/engine.ts'
import { connectApiServer, contextName, writeKubeconfig } from './api-server.ts'
import { clusterLabel } from './config.ts'
import { listNodes } from './containers.ts'
import { kindMissing } from './create.ts'
import { type DeliverOptions, deliverImages } from './deliver.ts'
import { sendEarlyImages } from './early-images.ts'
import { answers, deleteCluster, ensureCluster, notOurs } from './ensure.ts'
import { openClusterHome } from './home.ts'
import { openNodeStore, type NodeStore } from './node-store.ts'
import { collectNodeImages, dropNodeImages } from './collect.ts'
import { findPodPlace } from './pod-place.ts'
import { makeNodeVolume } from './volume.ts'
import { describeCluster, type Reach } from './reach.ts'

export interface KindDriverOptions {
  /** Where records and kubeconfigs of clusters are kept; default: shiv's home. */
  home?: string
  /** For calls that carry no environment of their own. */
  environment?: NodeJS.ProcessEnv
  /** Instead of asking the machine whether it reaches the nodes. */
  reach?: Reach
  /** Sends images whole, as on an engine that does not reach this process. */
  wholeArchives?: boolean
}

export interface KindDriver extends ClusterDriver {
  /** Whether `kind` is on PATH. Never throws; at most 2 s. */
  probe(environment?: NodeJS.ProcessEnv): Promise<Probe>
  /** Removes images of shiv's own from all nodes, except `keep`. Returns their names. */
  collectImages(cluster: Cluster, options: Collection): Promise<string[]>
  /** Resolves when a creation that `ensure` returned from early is complete: network and storage class are there. Throws what made it fail. */
  settled(spec: Plan['cluster']): Promise<void>
  /** Closes streams into nodes; clusters go on. */
  close(): void
}

/** Clusters made by the user's own `kind`, with a kubeconfig apart: the user's is never touched. */
export function createKindDriver(options: KindDriverOptions = {}): KindDriver {
  const home = options.home ?? shivHome()
  // Of whoever asked last: a daemon may have been started by a shell that saw another Docker.
  let environment = options.environment ?? process.env
  const stores = new Map<string, NodeStore>()
  const creations = new Map<string, Promise<void>>()
  const early = new Map<string, Promise<void>>()
  const openStores = (engine: Engine, nodes: { name: string }[]): NodeStore[] =>
    nodes.map(({ name }) => {
      const store = stores.get(name) ?? openNodeStore(engine, name)
      stores.set(name, store)
      return store
    })
  const storesOf = async (cluster: Cluster): Promise<{ engine: Engine; stores: NodeStore[] }> => {
    const engine = await connectEngine(environment)
    return { engine, stores: openStores(engine, cluster.nodes) }
  }

  const send = (references: string[], call: Omit<DeliverOptions, 'home' | 'wholeArchives'>) =>
    deliverImages(references, { ...call, home, wholeArchives: options.wholeArchives })

  return {
    ensure(spec, call) {
      environment = call.environment
      const { earlyImages, signal } = call
      return call.step(`cluster ${spec.name}`, async (step) => {
        const engine = await connectEngine(call.environment)
        return ensureCluster(spec, {
          engine,
          home: openClusterHome(home, spec.name),
          signal,
          environment: call.environment,
          step,
          reach: options.reach,
          onCreation(done) {
            done.catch(() => undefined) // told by ensure while it waits, by settled afterwards
            creations.set(spec.name, done)
            if (earlyImages === undefined) return
            const sending = sendEarlyImages({
              stores: async () =>
                openStores(
                  engine,
                  (await listNodes(engine, spec.name)).filter(({ running }) => running),
                ),
              nodes: spec.workers + 1,
              references: earlyImages,
              deliver: (references, nodes) => send(references, { engine, stores: nodes, signal, progress() {} }),
              creation: done,
              signal,
            })
            early.set(contextName(spec.name), sending)
          },
        })
      })
    },
    async find(spec) {
      const clusterHome = openClusterHome(home, spec.name)
      if ((await clusterHome.read()) === undefined) return undefined
      const nodes = await listNodes(await connectEngine(environment), spec.name)
      if (nodes.length === 0 || nodes.some((node) => !node.running)) return undefined
      const alive = await answers(clusterHome.kubeconfig).catch(() => false) // no kubeconfig yet: it is being made
      return alive ? describeCluster(spec.name, nodes, clusterHome.kubeconfig) : undefined
    },
    async deliver(cluster, references, call) {
      await early.get(cluster.context)
      return send(references, { ...(await storesOf(cluster)), ...call })
    },
    async remove(spec) {
      const clusterHome = openClusterHome(home, spec.name)
      const record = await clusterHome.read()
      const engine = await connectEngine(environment)
      const nodes = await listNodes(engine, spec.name)
      if (record === undefined && nodes.length > 0 && !(await isLabelled(engine, spec.name, home))) throw notOurs(spec.name)
      if (record?.creator !== undefined && record.state === 'creating' && isAlive(record.creator))
        process.kill(record.creator.pid)
      await creations.get(spec.name)?.catch(() => undefined) // it was just ended
      creations.delete(spec.name)
      early.delete(contextName(spec.name))
      for (const node of nodes) {
        stores.get(node.name)?.close()
        stores.delete(node.name)
      }
      await deleteCluster(spec.name, clusterHome, environment)
      await clusterHome.remove()
    },
    async probe(from = environment) {
      const found = await execa('kind', ['version'], {
        env: from,
        extendEnv: false,
        reject: false,
        timeout: 2_000,
        stdin: 'ignore',
      })
      if (found.exitCode === 0) return { available: true, detail: found.stdout.trim() }
      const missing = kindMissing(found.cause)
      return { available: false, code: missing.code, reason: missing.message, hint: missing.hint ?? '' }
    },
    async collectImages(cluster, collection) {
      const { stores } = await storesOf(cluster)
      return collectNodeImages(stores, collection)
    },
    async isStopped(spec) {
      return (await listNodes(await connectEngine(environment), spec.name)).some(({ running }) => !running)
    },
    async dropImages(cluster, names) {
      const { stores } = await storesOf(cluster)
      await Promise.all(stores.map((store) => dropNodeImages(store, names)))
    },
    async makeVolume({ nodes }, claim) {
      const [node, ...others] = nodes
      // Where a pod may go to several nodes, its volume is made once the scheduler has chosen.
      return node === undefined || others.length > 0
        ? undefined
        : makeNodeVolume(await connectEngine(environment), node.name, claim)
    },
    async podPlace(spec) {
      const engine = await connectEngine(environment)
      return findPodPlace(engine, await listNodes(engine, spec.name))
    },
    settled: async (spec) => creations.get(spec.name),
    close() {
      for (const store of stores.values()) store.close()
      stores.clear()
    },
  }
}

async function isLabelled(engine: Engine, name: string, home: string): Promise<boolean> {
  const clusterHome = openClusterHome(home, name)
  const control = (await listNodes(engine, name))[0]
  if (control === undefined) return false
  await clusterHome.write({ version: 1, name, state: 'ready', kubernetes: '', workers: 0 })
  try {
    if (!(await writeKubeconfig(engine, name, control, clusterHome.kubeconfig))) return false
    const api = await connectApiServer(clusterHome.kubeconfig)
    const found = await api.get(`/api/v1/nodes?labelSelector=${encodeURIComponent(clusterLabel)}`, 5_000)
    api.close()
    return (JSON.parse(found?.body ?? '{}') as { items?: unknown[] }).items?.length !== 0
  } finally {
    await clusterHome.remove()
  }
}
