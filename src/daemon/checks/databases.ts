import { execa } from 'execa'
import { ShivError } from '../../core/errors.ts'
import { installLine } from '../../drivers/database/find-engine.ts'
import { findServer } from '../../drivers/database/find-program.ts'
import type { DatabaseProcess } from '../../spec/model.ts'
import { loadPresets, ownPresetsDir } from '../../spec/presets.ts'
import type { Check, Finding, Place } from './check.ts'

/**
 * One check per database type that runs as a process and whose server does not ship with shiv. Only what a run on the embedded runtime
 * wants is missed, and only that is installed by `--fix`.
 */
export async function databaseChecks(wanted: ReadonlySet<string>): Promise<Check[]> {
  const { databases } = await loadPresets(ownPresetsDir(), ownPresetsDir(), [])
  return [...databases.values()].flatMap(({ name, process }) =>
    process && process.engine === undefined
      ? [{ id: name, title: `${name} server`, look: (place: Place) => find(name, process, wanted.has(name), place) }]
      : [],
  )
}

async function find(type: string, preset: DatabaseProcess, isWanted: boolean, { environment }: Place): Promise<Finding> {
  const server = preset.binaries.map((binary) => findServer(binary, environment['PATH'])).find((found) => found !== undefined)
  if (server !== undefined) return { state: 'ok', detail: server }
  const line = installLine(preset)
  const words = line === undefined ? [] : runnable(line)
  return {
    state: isWanted ? 'failed' : 'warning',
    detail: `none of ${preset.binaries.join(', ')} is on PATH`,
    hint: line ?? `install ${preset.binaries[0]} and put it on PATH`,
    needed: `${type} databases on the process runtime`,
    ...(isWanted && words.length > 0 && { fix: () => install(words, environment) }),
  }
}

/** The install line as words, when it is one plain command of a package manager. */
function runnable(line: string): string[] {
  const words = line.split(' ')
  const isRoot = process.getuid?.() === 0
  const [first, ...rest] = words[0] === 'sudo' && isRoot ? words.slice(1) : words
  if (first === undefined || !/^[\w./+:=-]+( [\w./+:=-]+)*$/.test(line)) return []
  // A password cannot be asked for here.
  return first === 'sudo' ? ['sudo', '-n', ...rest] : [first, ...rest]
}

async function install([command = '', ...argv]: string[], environment: NodeJS.ProcessEnv): Promise<string> {
  const { failed, all, shortMessage } = await execa(command, argv, {
    env: { ...environment, DEBIAN_FRONTEND: 'noninteractive' },
    extendEnv: false,
    reject: false,
    all: true,
    stdin: 'ignore',
    timeout: 300_000,
  })
  if (!failed) return `installed with: ${[command, ...argv].join(' ')}`
  throw new ShivError(shortMessage ?? 'the installation failed', {
    code: 'DOCTOR_FIX_FAILED',
    evidence: all.split('\n').slice(-5),
  })
}
