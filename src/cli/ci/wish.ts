import type { CiGate } from '../../bench/ci/gates.ts'
import type { HistoryEntry } from '../../bench/history.ts'
import type { BenchReport } from '../../bench/report.ts'
import type { DeployParams, StartParams } from '../../wire/messages.ts'

/** What a run of `shiv ci` is to do. */
export interface CiWish {
  /** Of the workspace, and its name. */
  root: string
  name: string
  /** What start and test ask for. */
  params: StartParams
  starts: boolean
  tests: boolean
  /** What is deployed, one after the other, and where to. */
  deploys?: { services: string[]; params: Omit<DeployParams, 'services'> }
  /** Measures against a commit, or by itself. */
  bench?: (tools: { signal: AbortSignal }) => Promise<BenchReport>
  /** On the figures of the run itself. */
  gates: CiGate[]
  /** As they were written: those of the bench, which judges them. */
  benchGates: string[]
  /** Runs of before on machines of a class. */
  history(machineClass: string): Promise<HistoryEntry[]>
}
