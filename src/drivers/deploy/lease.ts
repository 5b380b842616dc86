import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import type { ReleaseLock } from '../../engine/deploy/ports.ts'
import { shortName } from '../../plan/names.ts'
import { KubeApiError, type KubeClient, isMissing, orMissing } from '../kubernetes/client.ts'
import { LABEL, type Live } from '../kubernetes/objects.ts'

/** A deployer that is silent for so long is dead, and the next one takes over. */
const LEASE_SECONDS = 10
const RENEW_MS = 2_500
/** Who has not renewed for so long acts no more: well before another may take over. */
const HOLD_MS = 8_000
const LOOK_MS = 250

interface Lease extends Live {
  spec: { holderIdentity?: string; renewTime?: string; leaseDurationSeconds?: number; leaseTransitions?: number }
}

export interface LeasePlace {
  namespace: string
  service: string
}

/**
 * Takes the service's Lease. Whether another holder lives is told by whether the Lease changes, not by its times: clocks differ. The lock renews
 * itself until it is released; its signal aborts when that fails for so long that somebody else may have it. Throws DEPLOY_LOCKED without `waits`.
 */
export async function takeLease(
  client: KubeClient,
  place: LeasePlace,
  holder: string,
  options: { waits: boolean; signal: AbortSignal; onWaiting(holder: string): void },
): Promise<ReleaseLock> {
  const mine = `${holder} ${randomUUID()}`
  let hasWaited = false
  let seen: { version: string; since: number } | undefined
  for (;;) {
    options.signal.throwIfAborted()
    const lease = await readLease(client, place, options.signal)
    const current = lease?.spec.holderIdentity ?? ''
    const isFree = lease === undefined || current === '' || isOver(lease, seen)
    if (isFree) {
      const taken = await write(client, place, lease, mine, options.signal)
      if (taken !== undefined) return keep(client, place, taken, mine)
      continue
    }
    if (!options.waits) throw locked(place, personOf(current))
    if (seen?.version !== lease.metadata.resourceVersion)
      seen = { version: lease.metadata.resourceVersion, since: performance.now() }
    if (!hasWaited) options.onWaiting(personOf(current))
    hasWaited = true
    await delay(LOOK_MS, undefined, { signal: options.signal })
  }
}

/** Who holds the Lease now; undefined when nobody does. */
export async function leaseHolder(client: KubeClient, place: LeasePlace): Promise<string | undefined> {
  const current = (await readLease(client, place))?.spec.holderIdentity
  return current ? personOf(current) : undefined
}

function isOver(lease: Lease, seen: { version: string; since: number } | undefined): boolean {
  const lifeMs = (lease.spec.leaseDurationSeconds ?? LEASE_SECONDS) * 1_000
  return seen?.version === lease.metadata.resourceVersion && performance.now() - seen.since > lifeMs
}

function keep(client: KubeClient, place: LeasePlace, taken: Lease, mine: string): ReleaseLock {
  const lost = new AbortController()
  const stop = new AbortController()
  let lease = taken
  const lose = (): void => lost.abort(lockLost(place))
  let ending = setTimeout(lose, HOLD_MS)
  /** An answer that was lost, or somebody who wrote a note on it, has made another version of what is still ours. */
  const renewed = async (signal: AbortSignal): Promise<Lease | undefined> => {
    const next = await write(client, place, lease, mine, signal)
    if (next !== undefined) return next
    const found = await readLease(client, place, signal)
    return found?.spec.holderIdentity === mine ? write(client, place, found, mine, signal) : undefined
  }
  const renew = async (): Promise<void> => {
    while (!lost.signal.aborted) {
      await delay(RENEW_MS, undefined, { signal: stop.signal })
      const began = performance.now()
      // A network that stumbles is asked again; what lasts too long has lost it.
      const next = await renewed(AbortSignal.timeout(RENEW_MS)).catch(() => lease)
      if (next === undefined) return lose()
      if (next !== lease) {
        clearTimeout(ending)
        ending = setTimeout(lose, HOLD_MS - (performance.now() - began))
      }
      lease = next
    }
  }
  const renewing = renew().catch(() => {}) // ended by `release`
  return {
    signal: lost.signal,
    async release() {
      stop.abort()
      await renewing
      clearTimeout(ending)
      if (lost.signal.aborted) return
      await write(client, place, lease, '', AbortSignal.timeout(5_000)).catch(() => {}) // then it ends by itself
    },
  }
}

/** Undefined when somebody else was faster. */
async function write(
  client: KubeClient,
  place: LeasePlace,
  before: Lease | undefined,
  holder: string,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  const isNew = before?.spec.holderIdentity !== holder
  const now = new Date().toISOString().replace('Z', '000Z')
  const body = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: leaseName(place),
      namespace: place.namespace,
      labels: { [LABEL.managedBy]: 'shiv', [LABEL.service]: place.service },
      ...(before !== undefined && { resourceVersion: before.metadata.resourceVersion }),
    },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: now,
      leaseTransitions: (before?.spec.leaseTransitions ?? 0) + (isNew ? 1 : 0),
    },
  }
  try {
    if (before === undefined) return await client.call<Lease>('POST', collection(place), { body, signal })
    return await client.call<Lease>('PUT', `${collection(place)}/${leaseName(place)}`, { body, signal })
  } catch (error) {
    if (error instanceof KubeApiError && (error.status === 409 || (before !== undefined && isMissing(error)))) return undefined
    throw error instanceof KubeApiError && error.status === 403 ? forbidden(place, error) : error
  }
}

function readLease(client: KubeClient, place: LeasePlace, signal?: AbortSignal): Promise<Lease | undefined> {
  return orMissing(client.call<Lease>('GET', `${collection(place)}/${leaseName(place)}`, { ...(signal && { signal }) }))
}

function collection({ namespace }: LeasePlace): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
}

function leaseName({ service }: LeasePlace): string {
  return shortName(`shiv-deploy-${service}`)
}

/** Without the part that tells two commands of one person apart. */
function personOf(holder: string): string {
  return holder.replace(/ [-0-9a-f]{36}$/, '')
}

function locked({ namespace, service }: LeasePlace, holder: string): ShivError {
  return new ShivError(`${service} is being deployed to ${namespace} by ${holder}.`, {
    code: 'DEPLOY_LOCKED',
    hint: 'the same command without --no-wait waits for it; should its deployer be dead, that is found out within 10 s',
  })
}

function lockLost({ namespace, service }: LeasePlace): ShivError {
  return new ShivError(`The lock on ${service} in ${namespace} was lost: this machine could not renew it in time.`, {
    code: 'DEPLOY_LOCK_LOST',
    hint: 'somebody else may be deploying by now: deploy --status of the service tells; then run the command again',
  })
}

function forbidden({ namespace }: LeasePlace, error: KubeApiError): ShivError {
  return new ShivError(`You may not take the lock that keeps two deploys apart: ${error.message}`, {
    code: 'KUBE_FORBIDDEN',
    exit: 3,
    hint: `kubectl auth can-i create leases.coordination.k8s.io --namespace ${namespace}`,
    cause: error,
  })
}
