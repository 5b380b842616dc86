import { dirname, resolve } from 'node:path'
import type { ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { WhyResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printJson, printLines } from '../print.ts'
import { renderWhy } from '../render/why.ts'
import { startParams } from '../start-params.ts'
import { findWorkspace } from '../workspace.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, cwd, flags, terminal, signal } = invocation
  const files = args.map((word) => resolve(cwd, word))
  const params = { ...startParams({ ...invocation, args: [] }), path: workspaceOf(files), services: [], files }
  const result = await callDaemon<WhyResult>({ method: 'why', params }, { command: 'shiv why', signal })
  if (flags.wantsJson) printJson(terminal, result)
  else printLines(terminal, renderWhy(result, { style: terminal.style, cwd }))
  return 0
}

/** The workspace that all of the files are in. */
function workspaceOf(files: string[]): string {
  const found = files.map((file) => ({ file, workspace: above(file) }))
  const [first] = found
  const stray = found.find(({ workspace }) => workspace === undefined)
  if (stray) {
    const message = `${stray.file} is in no workspace: no folder above it has a service.yaml or a shiv.yaml.`
    throw inputError('CLI_UNKNOWN_TARGET', message, 'name a file of a service')
  }
  const other = found.find(({ workspace }) => workspace !== first!.workspace)
  if (other) {
    const message = `${other.file} belongs to the workspace ${other.workspace}, what came before it to ${first!.workspace}.`
    throw inputError('CLI_TWO_WORKSPACES', message, 'name files of one workspace at a time')
  }
  return first!.workspace!
}

function above(file: string): string | undefined {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const workspace = findWorkspace(folder)
    if (workspace !== undefined || folder === dirname(folder)) return workspace
  }
}
