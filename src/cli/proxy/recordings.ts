import { resolve } from 'node:path'
import { ShivError, type ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { RecordingCheckResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printJson, printLines } from '../print.ts'
import { doneMark } from '../render/marks.ts'

/** Looks at a recording: every fault of its form and of its bodies, and what looks like a secret. Ends with 4 where it finds any. */
export async function check({ terminal, flags, cwd, signal }: Invocation, words: string[]): Promise<ExitCode> {
  const [word, ...more] = words
  if (word === undefined || more.length > 0) {
    throw inputError('CLI_MISSING_ARGUMENT', 'shiv proxy check takes one recording.', 'shiv proxy check recordings/billing.har')
  }
  const request = { method: 'recordingCheck', params: { file: resolve(cwd, word) } } as const
  const result = await callDaemon<RecordingCheckResult>(request, { command: 'shiv proxy check', signal })
  if (result.faults.length > 0) {
    throw new ShivError(`${word} is not a recording that should be kept.`, {
      code: 'RECORDING_FAULTS',
      exit: 4,
      hint: 'mend what is named, or record it again: shiv proxy mode NAME record',
      faults: result.faults,
    })
  }
  if (flags.wantsJson) printJson(terminal, result)
  else printLines(terminal, [`${doneMark(terminal.style)} ${word} can be played, and holds nothing that looks like a secret`])
  return 0
}

/** Writes all that the recordings hold into one. */
export async function merge({ terminal, flags, cwd, signal }: Invocation, words: string[]): Promise<ExitCode> {
  const into = flags.text('into')
  if (words.length === 0 || into === undefined) {
    throw inputError(
      'CLI_MISSING_ARGUMENT',
      'shiv proxy record-merge takes recordings, and --into with the file that gets all of them.',
      `shiv proxy record-merge ${words.join(' ') || 'ada.har grace.har'} --into recordings/billing.har`,
    )
  }
  const params = { files: words.map((word) => resolve(cwd, word)), into: resolve(cwd, into) }
  await callDaemon<null>({ method: 'recordingMerge', params }, { command: 'shiv proxy record-merge', signal })
  if (flags.wantsJson) printJson(terminal, { version: 1, ...params })
  else printLines(terminal, [`${doneMark(terminal.style)} ${into} holds what ${words.join(', ')} hold`])
  return 0
}
