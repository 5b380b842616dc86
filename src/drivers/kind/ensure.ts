import { access } from 'node:fs/promises'
import { execa } from 'execa'
import { ShivError } from '../../core/errors.ts'
import { isAlive, type ProcessIdentity } from '../../core/process-identity.ts'
import type { Cluster, Step } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'
import type { Engine } from '../docker/engine.ts'
import { connectApiServer, writeKubeconfig } from './api-server.ts'
import { clusterLabel, kindConfig } from './config.ts'
import { listNodes, startNodes, type NodeContainer } from './containers.ts'
import { creationProgress, kindMissing, startCreation } from './create.ts'
import type { ClusterHome, ClusterRecord } from './home.ts'
import { chooseNodeImage, minorOf } from './node-image.ts'
import { describeCluster, probeReach, type Reach } from './reach.ts'

type Spec = Plan['cluster']

export interface EnsureContext {
  engine: Engine
  home: ClusterHome
  signal: AbortSignal
  environment: NodeJS.ProcessEnv
  step: Step
  /** Instead of asking the machine. */
  reach: Reach | undefined
  /** A creation that goes on after `ensure` returned, with how it ends. */
  onCreation(done: Promise<void>): void
}

/** How often a cluster that comes up is looked at. */
const pollMs = 150
/** While its credentials are not there yet: each look is a process in the node, beside what makes them. */
const patientPollMs = 500
/** For a node's API server to answer after its container started. */
const startLimitMs = 180_000

/** The whole decision: nothing there, half there, stopped, another one, or simply running. */
export async function ensureCluster(spec: Spec, context: EnsureContext): Promise<Cluster> {
  const [record, nodes] = await Promise.all([context.home.read(), listNodes(context.engine, spec.name)])
  if (record?.state === 'creating') return resume(spec, record, nodes, context)
  if (nodes.length === 0) return create(spec, context)
  const isStopped = nodes.some((node) => !node.running)
  const restart = isStopped ? { restartedAt: Date.now() } : {}
  if (isStopped) {
    context.step.progress('starting the stopped cluster')
    await startNodes(context.engine, nodes)
    context.step.note('was stopped, started again')
  }
  if (record === undefined || (record.node !== undefined && record.node !== nodes[0]?.id)) {
    return { ...(await adopt(spec, nodes, context)), ...restart }
  }
  refuseOther(spec, { kubernetes: record.kubernetes, nodes: nodes.length })
  return { ...(await waitUntilReachable(spec, context)), ...restart }
}

async function create(spec: Spec, context: EnsureContext): Promise<Cluster> {
  const { engine, home, environment, step } = context
  const [{ image, onHost }, reach] = await Promise.all([
    chooseNodeImage(engine, spec.kubernetes, environment),
    context.reach ?? probeReach(engine),
  ])
  step.progress(onHost ? `creating with ${image}` : `fetching ${image}`)
  const config = kindConfig({ name: spec.name, image, workers: spec.workers, mapped: reach === 'mapped' })
  const record: ClusterRecord = {
    version: 1,
    name: spec.name,
    state: 'creating',
    kubernetes: spec.kubernetes,
    workers: spec.workers,
  }
  await home.remove()
  await home.write(record)
  try {
    const creation = await startCreation(spec.name, config, home, { environment, image, imageOnHost: onHost })
    await home.write({ ...record, ...(creation.creator && { creator: creation.creator }) })
    // One that failed stays recorded as unfinished: its output is kept, and what is left of it is known as ours.
    const finish = async (): Promise<void> => {
      await creation.done
      await home.write({ ...record, state: 'ready', node: (await listNodes(engine, spec.name))[0]?.id })
    }
    const done = finish()
    context.onCreation(done)
    return await waitUntilReachable(spec, context, done)
  } catch (error) {
    if (error instanceof ShivError && error.code === 'KIND_MISSING') await home.remove()
    throw error
  }
}

/** An earlier run began to make the cluster: it is still at it, it finished since, or it was cut off. */
async function resume(spec: Spec, record: ClusterRecord, nodes: NodeContainer[], context: EnsureContext): Promise<Cluster> {
  const { home, step } = context
  if (record.creator !== undefined && isAlive(record.creator)) {
    step.note('joined a creation that an earlier start began')
    return waitUntilReachable(spec, context, undefined, record.creator)
  }
  if (nodes.length > 0 && (await exists(home.completed))) {
    const { version, name, kubernetes, workers } = record
    await home.write({ version, name, state: 'ready', kubernetes, workers, node: nodes[0]?.id })
    return ensureCluster(spec, context)
  }
  if (nodes.length > 0) {
    step.note('an interrupted start left it half made; made anew')
    await deleteCluster(spec.name, home, context.environment)
  }
  await home.remove()
  return create(spec, context)
}

/** No record of ours, yet nodes of that name: shiv's own (another home, or its state was removed) or somebody else's. */
async function adopt(spec: Spec, nodes: NodeContainer[], context: EnsureContext): Promise<Cluster> {
  const { home, engine } = context
  const record: ClusterRecord = {
    version: 1,
    name: spec.name,
    state: 'ready',
    kubernetes: spec.kubernetes,
    workers: spec.workers,
  }
  await home.write(record)
  try {
    const control = nodes[0]
    if (control === undefined || !(await writeKubeconfig(engine, spec.name, control, home.kubeconfig))) throw notOurs(spec.name)
    const cluster = await waitUntilReachable(spec, context)
    const api = await connectApiServer(home.kubeconfig)
    const [labelled, version] = await Promise.all([
      api.get(`/api/v1/nodes?labelSelector=${encodeURIComponent(clusterLabel)}`, 5_000),
      api.get('/version', 5_000),
    ])
    api.close()
    if ((JSON.parse(labelled?.body ?? '{}') as { items?: unknown[] }).items?.length === 0) throw notOurs(spec.name)
    const { gitVersion } = JSON.parse(version?.body ?? '{}') as { gitVersion?: string }
    const custom = context.environment['SHIV_KIND_NODE_IMAGE'] !== undefined
    refuseOther(spec, { kubernetes: custom ? spec.kubernetes : (gitVersion ?? spec.kubernetes), nodes: nodes.length })
    return cluster
  } catch (error) {
    await home.remove()
    throw error
  }
}

/** Returns as soon as the API server serves our credentials; nodes may still be getting ready. */
async function waitUntilReachable(
  spec: Spec,
  context: EnsureContext,
  creation?: Promise<void>,
  joined?: ProcessIdentity,
): Promise<Cluster> {
  const { engine, home, signal, step } = context
  let failure: { error: unknown } | undefined
  creation?.catch((error: unknown) => (failure = { error }))
  const limit = Date.now() + startLimitMs
  let fresh = creation === undefined && (await exists(home.kubeconfig))
  for (;;) {
    signal.throwIfAborted()
    if (failure !== undefined) throw failure.error
    const nodes = await listNodes(engine, spec.name)
    const control = nodes[0]
    if (control !== undefined && !fresh)
      fresh = await writeKubeconfig(engine, spec.name, control, home.kubeconfig).catch(() => false) // the container is only starting
    if (control !== undefined && fresh && (await answers(home.kubeconfig)))
      return describeCluster(spec.name, nodes, home.kubeconfig)
    if (joined !== undefined && !isAlive(joined)) return ensureCluster(spec, context) // it ended: done or cut off
    // A creation has its own end, and may pull an image first.
    if (creation === undefined && joined === undefined && Date.now() > limit) throw notReachable(spec.name, home)
    if (creation !== undefined) step.progress((await creationProgress(home)) ?? 'creating')
    await new Promise((resolve) => setTimeout(resolve, fresh ? pollMs : patientPollMs))
  }
}

/** Whether the API server serves what our credentials may read: before that, kubeadm has not given them their role yet. */
export async function answers(kubeconfig: string): Promise<boolean> {
  const api = await connectApiServer(kubeconfig)
  try {
    return (await api.get('/api/v1/namespaces/kube-system', 1_000))?.status === 200
  } finally {
    api.close()
  }
}

/** Deletes a cluster with its containers and volumes. Throws KIND_MISSING, KIND_DELETE_FAILED. */
export async function deleteCluster(name: string, home: ClusterHome, environment: NodeJS.ProcessEnv): Promise<void> {
  const result = await execa('kind', ['delete', 'cluster', '--name', name, '--kubeconfig', home.completed], {
    env: { ...environment, KIND_EXPERIMENTAL_PROVIDER: 'docker' },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  if ((result.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') throw kindMissing(result.cause)
  if (result.exitCode === 0) return
  throw new ShivError(`kind could not delete the cluster ${name}.`, {
    code: 'KIND_DELETE_FAILED',
    hint: `kind delete cluster --name ${name}`,
    evidence: result.stderr.split('\n').slice(-5),
  })
}

function refuseOther(spec: Spec, found: { kubernetes: string; nodes: number }): void {
  const differences: string[] = []
  if (minorOf(found.kubernetes) !== minorOf(spec.kubernetes)) {
    differences.push(`it runs Kubernetes ${minorOf(found.kubernetes)}, the workspace wants ${minorOf(spec.kubernetes)}`)
  }
  if (found.nodes !== spec.workers + 1) {
    differences.push(`it has ${count(found.nodes)}, the workspace wants ${count(spec.workers + 1)}`)
  }
  if (differences.length > 0) throw differs(spec.name, differences.join('; '))
}

function count(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`
}

export function notOurs(name: string): ShivError {
  return differs(name, 'shiv did not make it')
}

function differs(name: string, difference: string): ShivError {
  return new ShivError(`The kind cluster ${name} is not the one that is wanted: ${difference}.`, {
    code: 'KIND_CLUSTER_DIFFERS',
    exit: 3,
    hint: `make it anew, which loses what it holds: kind delete cluster --name ${name}; or leave it, and set another cluster.name in shiv.yaml`,
  })
}

function notReachable(name: string, home: ClusterHome): ShivError {
  return new ShivError(`The API server of the cluster ${name} does not answer.`, {
    code: 'KIND_UNREACHABLE',
    hint: `docker logs ${name}-control-plane; make it anew with: kind delete cluster --name ${name}`,
    evidence: [`kubeconfig: ${home.kubeconfig}`],
  })
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false // that is the answer
  }
}
