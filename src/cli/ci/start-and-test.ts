import type { CiReport } from '../../bench/ci/report.ts'
import { ShivError } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { ParityResult, StartResult, StatusResult, StopResult, TestResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { testsFailed } from '../tests-failed.ts'
import { leftoverOf } from './leftover.ts'
import type { StageNotes, Stages } from './stages.ts'
import { timedRequest } from './timed-request.ts'
import type { CiWish } from './wish.ts'

type Run = StatusResult['runs'][number]

/**
 * A system that somebody works with is not taken down, nor one of the same name in another folder, whose namespace this one would take. Gives one that is
 * stopped: its data stays. What a run of shiv ci that was killed left here is taken down first. Throws CI_RUNS_ALREADY.
 */
export async function requireNothingRuns(wish: CiWish, signal: AbortSignal): Promise<Run | undefined> {
  const params = { path: wish.root, services: [], all: true }
  const { runs } = await callDaemon<StatusResult>({ method: 'status', params }, { command: 'shiv ci', signal })
  const same = runs.filter(({ workspace }) => workspace.root === wish.root || workspace.name === wish.name)
  const living = same.find(({ state }) => state !== 'stopped')
  if (living === undefined) return same[0]
  const { root } = living.workspace
  const leftover = root === wish.root ? await leftoverOf(root) : undefined
  if (leftover !== undefined) {
    const stop = { path: root, services: [], purge: !leftover.keepsData }
    await callDaemon<StopResult>({ method: 'stop', params: stop }, { command: 'shiv ci', signal })
    return requireNothingRuns(wish, signal)
  }
  throw new ShivError(
    `${wish.name} runs already${root === wish.root ? '' : ` from ${root}`}, and a run of shiv ci begins and ends with nothing.`,
    {
      code: 'CI_RUNS_ALREADY',
      exit: 2,
      hint: `shiv stop${root === wish.root ? '' : ` -C ${root}`}, then run it again; shiv ci --no-start --env staging (or --bench loop) leaves what runs alone`,
    },
  )
}

export interface Started {
  start?: StartResult | undefined
  tests?: TestResult | undefined
  parity?: CiReport['parity']
}

/** Brings the services up without what production has not, asks how near they are to it, and runs their tests. */
export async function startAndTest(wish: CiWish, invocation: Invocation, stages: Stages): Promise<Started> {
  const { signal } = invocation
  const start = await stages.run('start', {}, (notes) =>
    timedRequest<StartResult>(invocation, { method: 'start', params: wish.params }, notes),
  )
  if (start !== undefined) stages.reached('up')
  const parity = await stages.run('parity', {}, (notes) => askParity(wish, signal, notes))
  let tests: TestResult | undefined
  if (!wish.tests) stages.skip('test', 'not asked for')
  else {
    await stages.run('test', {}, async (notes) => {
      tests = await timedRequest<TestResult>(invocation, { method: 'test', params: wish.params }, notes)
      const failed = testsFailed(tests)
      if (failed !== undefined) throw failed
    })
    if (!stages.isOver) stages.reached('tested')
  }
  return { start, tests, ...(parity && { parity }) }
}

async function askParity(wish: CiWish, signal: AbortSignal, notes: StageNotes): Promise<CiReport['parity']> {
  const params = { ...wish.params, verify: true }
  const { score, facts } = await callDaemon<ParityResult>({ method: 'parity', params }, { command: 'shiv ci', signal })
  const differences = facts
    .filter(({ verdict, live }) => verdict !== 'same' || live?.verdict === 'drifted')
    .map(({ id, title, production, local, why, live, verdict }) => ({
      id,
      title,
      production,
      ...(local !== undefined && { local }),
      ...(verdict === 'same' && live?.verdict === 'drifted'
        ? { why: 'the running system answered otherwise' }
        : why !== undefined && { why }),
    }))
  notes.why = `${Math.round(score)} % of production`
  return { score, differences }
}

/** What is started is taken down whatever came before: an interruption ends what was being done, and this is not part of it. */
export async function stopAll(wish: CiWish, stages: Stages, keepsData: boolean): Promise<void> {
  await stages.run('stop', { isTakingDown: true }, async (notes) => {
    const place = { path: wish.root, services: [] }
    const { runs } = await callDaemon<StatusResult>({ method: 'status', params: { ...place, all: true } }, { command: 'shiv ci' })
    // A folder above may be a workspace too, which is nobody's to stop here.
    if (!runs.some(({ workspace }) => workspace.root === wish.root)) notes.why = 'nothing was begun'
    else await callDaemon<StopResult>({ method: 'stop', params: { ...place, purge: !keepsData } }, { command: 'shiv ci' })
  })
}
