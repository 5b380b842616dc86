import { spawn } from 'node:child_process'
import { ShivError, type ExitCode } from '../../core/errors.ts'
import { didYouMean } from '../../core/suggest.ts'
import type { RunStatus } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printJson } from '../print.ts'
import { locateRun, nothingRuns } from '../runs.ts'

export async function run({ args, flags, cwd, terminal, environment, signal }: Invocation): Promise<ExitCode> {
  const located = await locateRun(args, cwd, signal)
  if (!located?.run) throw nothingRuns()
  const { name, url } = chooseService(located.run, located.place.services[0])
  if (flags.wantsJson) {
    printJson(terminal, { version: 1, service: name, url })
    return 0
  }
  terminal.out(`${url}\n`)
  if (terminal.isTTY && !flags.isOn('no-browser')) openBrowser(url, environment)
  return 0
}

function chooseService(run: RunStatus, wanted: string | undefined): { name: string; url: string } {
  const withUrl = run.services.flatMap(({ name, url }) => (url === undefined ? [] : [{ name, url }]))
  const names = withUrl.map(({ name }) => name)
  if (wanted !== undefined) {
    const found = withUrl.find(({ name }) => name === wanted)
    if (found) return found
    const known = run.services.some(({ name }) => name === wanted)
    const message = known
      ? `${wanted} has no URL: it listens on no HTTP port.`
      : `${run.workspace.name} runs no service ${wanted}.`
    throw new ShivError(message, { code: 'SERVICE_UNKNOWN', exit: 2, hint: didYouMean(wanted, names) })
  }
  const [only, second] = withUrl
  if (!only)
    throw new ShivError(`${run.workspace.name} runs nothing with a URL.`, {
      code: 'SERVICE_UNKNOWN',
      exit: 2,
      hint: 'shiv status',
    })
  if (second)
    throw inputError(
      'CLI_MISSING_ARGUMENT',
      `${run.workspace.name} has several services: ${names.join(', ')}.`,
      `shiv open ${only.name}`,
    )
  return only
}

/** Leaves it to the desktop; where there is none, the printed URL is all. */
function openBrowser(url: string, environment: NodeJS.ProcessEnv): void {
  if (!/^https?:\/\//.test(url)) return
  const program = process.platform === 'darwin' ? 'open' : environment['WSL_DISTRO_NAME'] ? 'wslview' : 'xdg-open'
  const child = spawn(program, [url], { stdio: 'ignore', detached: true })
  child.on('error', () => {}) // No such program: the URL is on the screen already.
  child.unref()
}
