import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import type { CommandExchange } from './command-exchange.ts'
import { lineForm } from './command-lines.ts'
import { noFile } from './no-file.ts'
import { LinePlayer } from './play-commands.ts'
import { LineRecorder } from './record-commands.ts'
import { compileRedaction } from './redaction-rules.ts'
import { storeOf } from './store.ts'

/** The file of a recording in JSON lines: `recordings/users.har` is written as `recordings/users.jsonl`. */
export function linesFile(file: string): string {
  return file.endsWith('.har') ? `${file.slice(0, -'.har'.length)}.jsonl` : file
}

/** As `openExchange`, for Postgres, Redis and their like. */
export async function openCommands(setting: DependencySetting): Promise<CommandExchange> {
  const { mode, recording, name } = setting
  if (mode !== 'record' && mode !== 'replay') return { close: async () => undefined }
  if (recording === undefined) throw noFile(setting)
  const { rules, recordMissing } = recording
  const redaction = compileRedaction(rules.redact)
  const records = mode === 'record' || recordMissing
  const store = storeOf(linesFile(recording.file), lineForm)
  await store.open(records && rules.order)
  const recorder = records ? new LineRecorder(store, redaction) : undefined
  return {
    ...(recorder !== undefined && { recorder }),
    ...((mode === 'replay' || recordMissing) && { player: new LinePlayer(store, name, rules.order, redaction) }),
    close: async () => {
      try {
        await recorder?.settle()
      } finally {
        await store.close(records)
      }
    },
  }
}
