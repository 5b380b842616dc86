import type { ExitCode } from '../../core/errors.ts'
import { didYouMean } from '../../core/suggest.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { DependenciesResult, RemoteMode, Request } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printJson, printLines } from '../print.ts'
import { faultsOf } from '../proxy/fault-flags.ts'
import { check, merge } from '../proxy/recordings.ts'
import { tail } from '../proxy/tail.ts'
import { doneMark } from '../render/marks.ts'
import { describeFaults, renderProxy } from '../render/dependencies.ts'
import { locateRun, nothingRuns } from '../runs.ts'

const MODES: RemoteMode[] = ['local', 'staging', 'record', 'replay']
/** Flags of one word alone. */
const OWN_FLAGS: Record<string, string[]> = {
  tail: ['tail', 'no-follow'],
  mode: ['reset'],
  'record-merge': ['into'],
  fault: ['latency', 'error-rate', 'error-status', 'cut', 'bandwidth', 'off', 'reset'],
}

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, cwd, signal } = invocation
  const [what = 'list', ...words] = args
  refuseForeignFlags(invocation, what)
  // Recordings are files: nothing needs to run.
  if (what === 'check') return check(invocation, words)
  if (what === 'record-merge') return merge(invocation, words)
  const located = await locateRun([], cwd, signal)
  if (!located?.run) throw nothingRuns()
  const { path } = located.place
  switch (what) {
    case 'tail':
      return tail(invocation, path, words)
    case 'mode':
      return switchMode(invocation, path, words)
    case 'fault':
      return switchFaults(invocation, path, words)
    default:
      return show(invocation, await ask(invocation, { method: 'proxy', params: { path, names: [] } }))
  }
}

async function switchMode(invocation: Invocation, path: string, words: string[]): Promise<ExitCode> {
  const reset = invocation.flags.isOn('reset')
  const [name, mode, ...more] = words
  if (name === undefined || more.length > 0 || (mode === undefined) !== reset) {
    throw inputError(
      'CLI_MISSING_ARGUMENT',
      'shiv proxy mode takes a dependency and its mode, or --reset for the one in service.yaml.',
      `shiv proxy mode ${name ?? 'NAME'} ${mode ?? 'staging'}`,
    )
  }
  if (mode !== undefined && !isMode(mode)) {
    throw inputError('CLI_BAD_VALUE', `A dependency has no mode "${mode}".`, didYouMean(mode, MODES) ?? MODES.join(', '))
  }
  const result = await ask(invocation, { method: 'proxyMode', params: { path, name, ...(mode !== undefined && { mode }) } })
  const [now] = result.dependencies
  return show(invocation, result, now && `${name} is served by ${now.serves || 'nobody'} now: mode ${now.mode}`)
}

async function switchFaults(invocation: Invocation, path: string, words: string[]): Promise<ExitCode> {
  const { flags } = invocation
  const [name, ...more] = words
  const faults = faultsOf(flags)
  const asked = [faults !== undefined, flags.isOn('off'), flags.isOn('reset')].filter(Boolean).length
  if (name === undefined || more.length > 0 || asked !== 1) {
    throw inputError(
      'CLI_MISSING_ARGUMENT',
      'shiv proxy fault takes a dependency, and its faults, or --off, or --reset for those in service.yaml.',
      `shiv proxy fault ${name ?? 'NAME'} --latency 100ms/2s --error-rate 0.1`,
    )
  }
  const wanted = flags.isOn('off') ? { faults: null } : faults ? { faults } : {}
  const result = await ask(invocation, { method: 'proxyFault', params: { path, name, ...wanted } })
  const [now] = result.dependencies
  return show(
    invocation,
    result,
    now && `${name} has ${now.faults ? `faults now: ${describeFaults(now.faults)}` : 'no faults now'}`,
  )
}

function ask({ signal, args }: Invocation, request: Request): Promise<DependenciesResult> {
  return callDaemon<DependenciesResult>(request, { command: ['shiv proxy', ...args].join(' '), signal })
}

function show({ flags, terminal }: Invocation, result: DependenciesResult, sentence?: string): ExitCode {
  const { style } = terminal
  if (flags.wantsJson) printJson(terminal, result)
  else if (sentence !== undefined) printLines(terminal, [`${doneMark(style)} ${sentence}`])
  else printLines(terminal, renderProxy(result.dependencies, { style, now: Date.now() }))
  return 0
}

function refuseForeignFlags({ flags, command }: Invocation, what: string): void {
  const foreign = Object.keys(command.flags).find((flag) => flags.isOn(flag) && !OWN_FLAGS[what]?.includes(flag))
  if (foreign === undefined) return
  const owners = Object.keys(OWN_FLAGS).filter((word) => OWN_FLAGS[word]?.includes(foreign))
  throw inputError(
    'CLI_UNKNOWN_FLAG',
    `shiv proxy ${what} has no flag --${foreign}.`,
    `it goes with: shiv proxy ${owners.join(', shiv proxy ')}`,
  )
}

function isMode(word: string): word is RemoteMode {
  return (MODES as string[]).includes(word)
}
