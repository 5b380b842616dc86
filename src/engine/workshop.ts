import type { EngineParts } from './parts.ts'
import type { Queue } from './queue.ts'
import type { Run } from './run.ts'
import type { RunStore } from './run-store.ts'

/** What the operations share. */
export interface Workshop {
  parts: EngineParts
  store: RunStore
  queue: Queue
  /** By id; stopped ones too. */
  runs: Map<string, Run>
}
