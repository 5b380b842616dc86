import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShivError } from '../core/errors.ts'
import { shivHome, socketPath } from '../core/paths.ts'
import { didYouMean } from '../core/suggest.ts'
import { connect } from '../wire/client.ts'
import type { RunStatus, StatusResult } from '../wire/messages.ts'
import { inputError } from './parse.ts'
import { findWorkspace, resolvePlace, type Place } from './workspace.ts'

/** What the daemon says runs, or undefined when there is no daemon and no run that one would find. Starts a daemon only for the latter. */
export async function readStatus(place: Place, all: boolean, signal: AbortSignal): Promise<StatusResult | undefined> {
  const request = { method: 'status', params: { ...place, all } } as const
  const connection = await connect(socketPath())
  if (connection) {
    try {
      return await connection.call<StatusResult>(request, { command: 'shiv status', signal })
    } finally {
      connection.close()
    }
  }
  if (!isAnyRunRecorded()) return undefined
  const { callDaemon } = await import('../wire/call-daemon.ts')
  return callDaemon<StatusResult>(request, { command: 'shiv status', signal })
}

/**
 * The run that the words mean: of the workspace they or the current folder belong to; outside a workspace the only run there is, or
 * the only one with those services. Undefined when nothing runs at all. Throws SERVICE_UNKNOWN and CLI_WHICH_RUN.
 */
export async function locateRun(
  words: string[],
  cwd: string,
  signal: AbortSignal,
): Promise<{ place: Place; run: RunStatus | undefined } | undefined> {
  if (words.some(isPath) || findWorkspace(cwd)) {
    const place = resolvePlace(words, cwd)
    const status = await readStatus({ path: place.path, services: [] }, false, signal)
    return status && { place, run: status.runs[0] }
  }
  const runs = (await readStatus({ path: cwd, services: [] }, true, signal))?.runs ?? []
  if (runs.length === 0) return undefined
  const fitting = runs.filter((run) => words.every((word) => namesOf(run).includes(word)))
  const [run, second] = fitting
  if (!run) {
    throw new ShivError(`No run has ${words.join(' and ')}.`, {
      code: 'SERVICE_UNKNOWN',
      exit: 2,
      hint: didYouMean(words[0] ?? '', runs.flatMap(namesOf)),
    })
  }
  if (second) {
    const roots = fitting.map(({ workspace }) => workspace.root)
    throw inputError(
      'CLI_WHICH_RUN',
      `${fitting.length} workspaces fit: ${roots.join(', ')}.`,
      `say which with -C, for example -C ${roots[0]}`,
    )
  }
  return { place: { path: run.workspace.root, services: words }, run }
}

/** Names of a run that logs, exec and the like take: its services and databases. */
export function namesOf(run: RunStatus): string[] {
  return [...run.services, ...run.databases].map(({ name }) => name)
}

/** The error for a command that needs something running. */
export function nothingRuns(): ShivError {
  return new ShivError('Nothing runs.', { code: 'RUN_NOT_FOUND', exit: 2, hint: 'shiv start' })
}

function isPath(word: string): boolean {
  return /[./\\]/.test(word)
}

/** Whether a daemon that died left a run that the next one takes over. */
function isAnyRunRecorded(): boolean {
  const folder = join(shivHome(), 'runs')
  return listFolder(folder).some((id) => {
    const text = readText(join(folder, id, 'run.json'))
    return text !== undefined && !isStopped(text)
  })
}

function isStopped(record: string): boolean {
  try {
    return (JSON.parse(record) as { state?: unknown }).state === 'stopped'
  } catch {
    return false // Broken: the daemon sets it aside and says so.
  }
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // No such folder: nothing was ever started.
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined // A run's folder without its record is not a run.
  }
}
