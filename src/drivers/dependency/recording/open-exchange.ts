import type { RecordingRules } from '../../../plan/remote.ts'
import type { Exchange, OpenExchange, Player, Recorder } from '../exchange.ts'
import { lineForm } from './command-lines.ts'
import { linesFile } from './commands.ts'
import { harForm } from './har-form.ts'
import { noFile } from './no-file.ts'
import { GrpcPlayer } from './play-grpc.ts'
import { HttpPlayer } from './play-http.ts'
import { GrpcRecorder } from './record-grpc.ts'
import { HttpRecorder } from './record-http.ts'
import { storeOf, type Store } from './store.ts'

/**
 * What a setting records and plays. `record` writes; with `recordMissing` it plays what is there first, and so does `replay` with it, which
 * then records the rest. Throws RECORDING_MISSING, RECORDING_INVALID, RECORDING_UNREADABLE, RECORDING_BUSY, RECORDING_RULE_INVALID,
 * RECORDING_NOT_WRITTEN, DISK_FULL.
 */
export const openExchange: OpenExchange = async (setting) => {
  const { mode, recording, name, protocol } = setting
  if (mode !== 'record' && mode !== 'replay') return { close: async () => undefined }
  if (recording === undefined) throw noFile(setting)
  const { file, rules, recordMissing } = recording
  const wants = { records: mode === 'record' || recordMissing, plays: mode === 'replay' || recordMissing }
  if (protocol === 'grpc') {
    return openStore(storeOf(linesFile(file), lineForm), rules, wants, {
      recorder: (store) => new GrpcRecorder(store, rules),
      player: (store) => new GrpcPlayer(store, name, rules),
    })
  }
  return openStore(storeOf(file, harForm), rules, wants, {
    recorder: (store) => new HttpRecorder(store, name, rules),
    player: (store) => new HttpPlayer(store, name, rules),
  })
}

async function openStore<Item>(
  store: Store<Item>,
  { order }: RecordingRules,
  { records, plays }: { records: boolean; plays: boolean },
  make: { recorder(store: Store<Item>): Recorder & { settle(): Promise<void> }; player(store: Store<Item>): Player },
): Promise<Exchange> {
  await store.open(records && order)
  try {
    const recorder = records ? make.recorder(store) : undefined
    const player = plays ? make.player(store) : undefined
    return {
      ...(recorder !== undefined && { recorder }),
      ...(player !== undefined && { player }),
      close: async () => {
        try {
          await recorder?.settle()
        } finally {
          await store.close(records)
        }
      },
    }
  } catch (error) {
    await store.close(records)
    throw error
  }
}
