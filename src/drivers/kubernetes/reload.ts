import { setTimeout as delay } from 'node:timers/promises'
import type { ReloadOrder, ReloadPort, ReplicaOutcome, RunContext, Verification } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'
import { tellingLine } from '../../core/telling-line.ts'
import type { Put, Run, Wish } from '../sync/channel.ts'
import { SharedFrames } from '../sync/shared-frames.ts'
import { deleteObject } from './apply.ts'
import type { KubeClient } from './client.ts'
import { runLabel } from './namespace.ts'
import type { Pod } from './objects.ts'
import type { Observer } from './observer.ts'
import { containerLog } from './problem.ts'
import { type Ground, type Site, type Sites, createSites, groundOf, isInBackOff } from './reload-channels.ts'
import { readContents } from './reload-contents.ts'
import { type OverlayKeeper, createOverlayKeeper } from './reload-overlay.ts'
import { replicasOf } from './state.ts'

/** A run that is watched, as the reload sees it. */
export interface ReloadSession {
  client: KubeClient
  observer: Observer
}

export interface KubernetesReload extends ReloadPort {
  /** Opens the ways to the run's replicas, so that the first save finds them open. */
  attach(runId: string, session: ReloadSession, context: RunContext): void
  detach(runId: string): void
}

interface Attached extends ReloadSession {
  /** Of the command that came last. */
  context: RunContext
  sites: Sites
  keeper: OverlayKeeper
}

/** How long a service that tells nothing of its health may take. */
const STARTUP_SECONDS = 60
/** A pod that is replaced is there again after so long, as a rule. */
const CONTENTS_PATIENCE_MS = 20_000
const CONTENTS_PAUSE_MS = 200

/** Hot reload of pods. `session` finds or makes the watch of a run. */
export function createKubernetesReload(session: (plan: Plan, context: RunContext) => Promise<ReloadSession>): KubernetesReload {
  const runs = new Map<string, Attached>()

  const attach = (runId: string, { client, observer }: ReloadSession, context: RunContext): Attached => {
    const before = runs.get(runId)
    if (before?.observer === observer) {
      before.context = context
      return before
    }
    detach(runId)
    const attached: Attached = {
      client,
      observer,
      context,
      sites: createSites(client, observer, {
        crash: (pod, code) => tellCrash(client, pod, code, attached.context),
        trouble: (pod, message) => warnOfLoss(pod, message, attached.context),
      }),
      keeper: createOverlayKeeper(client, (service, error) => warnOfOverlay(service, error, attached.context)),
    }
    runs.set(runId, attached)
    return attached
  }
  const detach = (runId: string) => {
    const run = runs.get(runId)
    run?.sites.close()
    run?.keeper.close()
    runs.delete(runId)
  }
  const runOf = async (plan: Plan, context: RunContext) => attach(context.runId, await session(plan, context), context)

  return {
    attach,
    detach,

    async apply(plan, order, context) {
      const run = await runOf(plan, context)
      const signal = AbortSignal.any([order.signal, context.signal])
      signal.throwIfAborted()
      const wish = wishOf(order)
      const service = order.service.name
      const ground = groundOf(run.observer.view(), service)
      const sites = run.sites.of(service).filter(({ container }) => container.image === ground?.image)
      if (ground !== undefined) run.sites.aim(service, ground.image, wish)
      try {
        const outcomes = await bringAll(run, sites, wish, order, signal)
        return { replicas: [...outcomes, ...unreachable(run, service)] }
      } finally {
        wish.frames?.close()
        for (const { channel } of sites) channel.converge(wish)
        if (ground !== undefined) keep(run, plan, ground, service, wish, context)
      }
    },

    async holdings(plan, service, context) {
      const { sites } = await runOf(plan, context)
      return [
        ...sites.of(service).map(({ pod, channel }) => ({
          replica: pod.metadata.name,
          mark: channel.held?.mark,
          sequence: channel.held?.running,
        })),
        ...sites.unreachable(service).map(({ metadata }) => ({ replica: metadata.name, mark: undefined, sequence: undefined })),
      ]
    },

    async contents(plan, service, folder, context) {
      const run = await runOf(plan, context)
      const end = performance.now() + CONTENTS_PATIENCE_MS
      for (;;) {
        const image = groundOf(run.observer.view(), service)?.image
        for (const site of run.sites.of(service).filter(({ container }) => container.image === image)) {
          // One that ends meanwhile is not the last.
          const found = await readContents(run.client, site, folder, context.signal).catch(() => undefined)
          if (found !== undefined) return found
        }
        context.signal.throwIfAborted()
        if (performance.now() > end) return undefined
        await delay(CONTENTS_PAUSE_MS, undefined, { signal: context.signal })
      }
    },

    async verify(plan, service, expected, context) {
      const { sites } = await runOf(plan, context)
      const unasked = sites.unreachable(service).map(({ metadata }) => notAsked(metadata.name, 'its container does not run'))
      return [...(await Promise.all(sites.of(service).map((site) => verifySite(site, expected)))), ...unasked]
    },
  }
}

/** First every replica holds the files, then all begin to run them while requests wait. */
async function bringAll(
  run: Attached,
  sites: Site[],
  wish: Wish,
  order: ReloadOrder,
  signal: AbortSignal,
): Promise<ReplicaOutcome[]> {
  const sent = countdown(sites.length, () => order.passed('sent'))
  const puts = await untilAborted(signal, Promise.all(sites.map(({ channel }) => channel.put(wish, sent))))
  order.passed('applied')
  const runs = await startAll(sites, puts, wish, order, signal)
  order.passed('ready')
  return Promise.all(sites.map((site, index) => outcomeOf(run.client, site, puts[index], runs[index])))
}

/** Requests are let go of also when the order is given up: nobody answers for one that was overtaken. */
async function startAll(
  sites: Site[],
  puts: Put[],
  wish: Wish,
  order: ReloadOrder,
  signal: AbortSignal,
): Promise<(Run | undefined)[]> {
  const letGo = wish.how === 'none' ? () => {} : await order.hold()
  const restarted = countdown(puts.filter(isHeld).length, () => wish.how !== 'none' && order.passed('restarted'))
  try {
    signal.throwIfAborted()
    const starting = sites.map(({ channel }, index) => (isHeld(puts[index]) ? channel.start(wish, restarted) : undefined))
    return await untilAborted(signal, Promise.all(starting))
  } finally {
    letGo()
  }
}

function isHeld(put: Put | undefined): put is Extract<Put, { state: 'held' }> {
  return put?.state === 'held'
}

async function outcomeOf(client: KubeClient, { pod, container }: Site, put?: Put, run?: Run): Promise<ReplicaOutcome> {
  const id = pod.metadata.name
  if (!isHeld(put)) return { id, state: 'pending', cause: put?.cause }
  const refused = put.refused.length > 0 ? { refused: put.refused } : {}
  if (run?.state === 'ready') return { id, state: 'ready', ...refused }
  const cause = run?.cause ?? 'it was not started'
  if (run?.state !== 'failed') return { id, state: 'pending', cause, ...refused }
  const evidence = await containerLog(client, pod, container.name, false)
  const told = run.hasEnded ? [cause, tellingLine(evidence)].filter(Boolean).join(': ') : cause
  return { id, state: 'failed', cause: told, evidence, ...refused }
}

function unreachable({ observer, sites }: Attached, service: string): ReplicaOutcome[] {
  const causes = new Map(replicasOf(observer.view(), service).map(({ id, cause, state }) => [id, cause ?? `it is ${state}`]))
  return sites.unreachable(service).map(({ metadata }) => ({
    id: metadata.name,
    state: 'pending',
    cause: causes.get(metadata.name) ?? 'its container does not run yet',
  }))
}

/** A pod that the kubelet lets wait gives way to a new one, which starts with what was kept. */
function keep(run: Attached, plan: Plan, ground: Ground, service: string, wish: Wish, context: RunContext): void {
  const { namespace } = plan
  const kept = {
    namespace,
    run: runLabel(plan),
    service,
    name: ground.overlay,
    image: ground.image,
    root: ground.root,
    ...wish,
  }
  run.keeper.keep(kept, () => {
    for (const pod of run.sites.of(service).map((each) => each.pod)) {
      if (!isInBackOff(pod)) continue
      deleteObject(run.client, { ...pod, apiVersion: 'v1', kind: 'Pod' }, { signal: context.signal }).catch((error: unknown) =>
        warnOfOverlay(service, error, context),
      )
    }
  })
}

async function verifySite({ pod, channel }: Site, expected: ReadonlyMap<string, string>): Promise<Verification> {
  try {
    const hashes = await channel.hashes([...expected.keys()])
    const differing = [...expected].flatMap(([path, hash]) => {
      const actual = hashes.get(path)
      return (actual ?? '') === hash ? [] : [{ path, expected: hash, actual }]
    })
    return { replica: pod.metadata.name, checked: expected.size, differing }
  } catch (error) {
    return notAsked(pod.metadata.name, error instanceof Error ? error.message : String(error))
  }
}

function notAsked(replica: string, cause: string): Verification {
  return { replica, differing: [], cause }
}

function wishOf({ overlay, mark, sequence, restart, service }: ReloadOrder): Wish {
  const how = typeof restart === 'string' ? restart : restart.signal.replace(/^SIG/, '')
  const seconds = service.health?.startupSeconds ?? STARTUP_SECONDS
  return { overlay, mark, sequence, how, seconds, frames: new SharedFrames() }
}

/** Calls `done` when what it returns was called `count` times. */
function countdown(count: number, done: () => void): () => void {
  let left = count
  return () => {
    left -= 1
    if (left === 0) done()
  }
}

function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function tellCrash(client: KubeClient, pod: Pod, code: number, context: RunContext): void {
  const service = pod.metadata.labels?.['app.kubernetes.io/name'] ?? ''
  const how = code > 128 ? `its process was ended by signal ${code - 128}` : `its process ended with code ${code}`
  void containerLog(client, pod, pod.spec.containers[0]?.name ?? '', false).then((lines) => {
    const cause = [how, tellingLine(lines)].filter(Boolean).join(': ')
    return context.emit({ kind: 'health', service, replica: pod.metadata.name, state: 'crashed', cause })
  })
}

function warnOfLoss(pod: Pod, message: string, context: RunContext): void {
  context.emit({
    kind: 'warning',
    code: 'RELOAD_FILES_LOST',
    message: `${pod.metadata.name}: ${message}`,
    hint: 'shiv verify compares what it holds with the files here; something in the container writes to them.',
  })
}

function warnOfOverlay(service: string, error: unknown, context: RunContext): void {
  if (context.signal.aborted) return
  context.emit({
    kind: 'warning',
    code: 'RELOAD_OVERLAY_NOT_KEPT',
    message: `new pods of ${service} would start without the last saves: ${error instanceof Error ? error.message : String(error)}`,
    hint: 'It is tried again until it is kept; shiv doctor tells what is wrong with the cluster.',
  })
}
