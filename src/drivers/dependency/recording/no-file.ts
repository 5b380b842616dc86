import { ShivError } from '../../../core/errors.ts'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'

/** A mode that needs a recording, and none is named. */
export function noFile({ name, mode, protocol }: DependencySetting): ShivError {
  return new ShivError(`${name} has the mode ${mode} and no recording.`, {
    code: 'RECORDING_MISSING',
    exit: 2,
    hint: `name its file: recording: { file: recordings/${name}.${protocol === 'http' ? 'har' : 'jsonl'} }`,
  })
}
