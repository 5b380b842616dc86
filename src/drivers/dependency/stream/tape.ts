import { setTimeout as pause } from 'node:timers/promises'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import type { CommandExchange } from '../recording/command-exchange.ts'
import { openCommands } from '../recording/commands.ts'
import { type Retiring, retiring } from '../retiring.ts'

/** The recording of one setting, shared by its connections. */
export interface Tape extends Retiring {
  /** Rejects with a ShivError when the recording cannot be read or written; each connection hears of it. */
  readonly exchange: Promise<CommandExchange>
}

/** How long the recording before, perhaps to the same file, is waited for. */
const RETIRE_MS = 2_000

/** Opens when what was recorded `before` is closed, which never rejects; a session that goes on for long is not waited for. Undefined where nothing is recorded or played. */
export function openTape(setting: DependencySetting, before: Promise<void> | undefined): Tape | undefined {
  if (!usesTape(setting)) return undefined
  const exchange = (async () => {
    if (before !== undefined) await Promise.race([before, pause(RETIRE_MS, undefined, { ref: false })])
    return openCommands(setting)
  })()
  exchange.catch(() => undefined) // each connection that needs it hears of it
  return { exchange, ...retiring(exchange) }
}

function usesTape({ mode }: DependencySetting): boolean {
  return mode === 'record' || mode === 'replay'
}

/** Whether the recording answers before, or instead of, the upstream. */
export function isPlayed({ mode, recording }: DependencySetting): boolean {
  return mode === 'replay' || (mode === 'record' && recording?.recordMissing === true)
}
