import type { Deployment } from '../../bench/ci/report.ts'
import type { GateVerdict } from '../../bench/gates.ts'
import type { DeployResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import type { Stages } from './stages.ts'
import { timedRequest } from './timed-request.ts'
import type { CiWish } from './wish.ts'

/** Deploys the services one after the other, none after a gate or a stage that failed. */
export async function deployAll(
  { deploys }: CiWish,
  invocation: Invocation,
  stages: Stages,
  gates: readonly GateVerdict[],
): Promise<Deployment[]> {
  if (deploys === undefined) return []
  if (gates.some(({ state }) => state === 'failed')) {
    for (const service of deploys.services) stages.skip('deploy', 'a gate failed', service)
    return []
  }
  if (!stages.isOver) stages.reached('deploying')
  const done: Deployment[] = []
  for (const service of deploys.services) {
    const params = { ...deploys.params, services: [service] }
    const result = await stages.run('deploy', { of: service }, async (notes) => {
      const deployed = await timedRequest<DeployResult>(invocation, { method: 'deploy', params }, notes)
      notes.why = `release ${deployed.release.revision}${deployed.isChanged ? '' : ' serves already'}`
      return deployed
    })
    if (result === undefined) continue
    done.push(deploymentOf(result))
    if (result.isChanged) reachedBy(result, stages)
  }
  return done
}

function deploymentOf({ service, environment, release, isChanged, durationMs }: DeployResult): Deployment {
  return {
    service,
    environment,
    revision: release.revision,
    isChanged,
    digest: release.image.digest,
    ms: durationMs,
    ...(release.health?.url !== undefined && { url: release.health.url }),
  }
}

/** The moments of the release that came last: with several services the change is out when all are. */
function reachedBy({ release }: DeployResult, stages: Stages): void {
  const moments = {
    build: 'built',
    push: 'pushed',
    apply: 'applied',
    rollout: 'healthy',
    'first-answer': 'answered',
    health: 'proven',
  } as const
  for (const [name, moment] of Object.entries(moments)) {
    const span = release.spans.find((one) => one.name === name)
    if (span === undefined) continue
    const at = release.startedAt + span.startMs + span.durationMs
    const known = stages.instants.findIndex((one) => one.moment === moment)
    if (known >= 0) stages.instants.splice(known, 1)
    stages.reached(moment, at)
  }
}
