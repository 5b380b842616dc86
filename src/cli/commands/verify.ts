import { harmless } from '../../core/harmless.ts'
import type { ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { VerifyResult } from '../../wire/messages.ts'
import type { Style } from '../../core/style.ts'
import type { Invocation } from '../command.ts'
import { printJson, printLines } from '../print.ts'
import { doneMark, failedMark, originOf } from '../render/marks.ts'
import { locateRun, nothingRuns } from '../runs.ts'

export async function run({ args, cwd, flags, terminal, signal }: Invocation): Promise<ExitCode> {
  const located = await locateRun(args, cwd, signal)
  if (!located?.run) throw nothingRuns()
  const result = await callDaemon<VerifyResult>({ method: 'verify', params: located.place }, { command: 'shiv verify', signal })
  if (flags.wantsJson) printJson(terminal, result)
  else
    printLines(
      terminal,
      result.services.flatMap((service) => describe(service, terminal.style)),
    )
  return result.isSame ? 0 : 4
}

/** Paths that are shown of a replica that differs. */
const SHOWN = 10

function describe({ name, replicas }: VerifyResult['services'][number], style: Style): string[] {
  return replicas.flatMap((replica) => {
    const origin = originOf(name, replica.replica)
    if (replica.cause !== undefined) return [`${failedMark(style)} ${origin} could not be asked: ${harmless(replica.cause)}`]
    if (replica.differing.length === 0) return [`${doneMark(style)} ${origin} ${heldBy(replica.checked)}`]
    const paths = replica.differing
      .slice(0, SHOWN)
      .map(({ path, actual }) => `    ${harmless(path)}: ${actual === undefined ? 'missing' : 'differs'}`)
    const more = replica.differing.length > SHOWN ? [`    and ${replica.differing.length - SHOWN} more`] : []
    return [`${failedMark(style)} ${origin} differs from the working copy`, ...paths, ...more]
  })
}

/** Plain processes hold no copy: they were started with the working copy itself. */
function heldBy(checked: number | undefined): string {
  return checked === undefined || checked === 0
    ? 'was started with the newest save that was brought; it has no copy of the files to compare'
    : `holds the working copy (${checked} checked)`
}
