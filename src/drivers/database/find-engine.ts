import { execa } from 'execa'
import { existsSync } from 'node:fs'
import { ShivError } from '../../core/errors.ts'
import type { DatabasePlan } from '../../plan/types.ts'
import type { DatabaseProcess } from '../../spec/model.ts'
import type { ProcessUser } from '../process/process-spec.ts'
import { embeddedPostgres } from './embedded-postgres.ts'
import { findServer } from './find-program.ts'

export interface Engine {
  /** Absolute path of the server's program. */
  server: string
  /** What it says it is: `15.18`. */
  version: string
  preset: DatabaseProcess
}

/** Finds the server of a database type. Throws DATABASE_TYPE_NO_PROCESS, DATABASE_BINARY_MISSING or DATABASE_BINARY_UNUSABLE. */
export async function findEngine(
  database: DatabasePlan,
  options: { home: string; path: string | undefined; user: ProcessUser | undefined },
): Promise<Engine> {
  const preset = database.preset.process
  if (preset === undefined) {
    throw new ShivError(`A ${database.type} database runs in containers only.`, {
      code: 'DATABASE_TYPE_NO_PROCESS',
      exit: 3,
      hint: 'start Docker and use the cluster: shiv start --runtime kind',
    })
  }
  const embedded = preset.engine === 'embedded-postgres' ? await embeddedPostgres(options.home, options.user) : undefined
  const server =
    embedded ?? preset.binaries.map((binary) => findServer(binary, options.path)).find((found) => found !== undefined)
  if (server === undefined) throw missing(database, preset)
  return { server, version: await versionOf(server, database, options.user), preset }
}

/** The install line for this system, as the preset has it. */
export function installLine(preset: DatabaseProcess): string | undefined {
  const { install } = preset
  if (process.platform === 'darwin') return install.macos ?? install.other
  if (existsSync('/usr/bin/apt-get')) return install.debian ?? install.other
  if (existsSync('/usr/bin/dnf')) return install.fedora ?? install.other
  return install.other ?? install.debian
}

function missing(database: DatabasePlan, preset: DatabaseProcess): ShivError {
  const line = installLine(preset)
  return new ShivError(`The database ${database.name} needs ${preset.binaries.join(' or ')}, which this machine does not have.`, {
    code: 'DATABASE_BINARY_MISSING',
    exit: 3,
    hint: line ?? `install ${preset.binaries[0]} and put it on PATH`,
  })
}

/** Running it is also the proof that it can be run here, as that user. */
async function versionOf(server: string, database: DatabasePlan, user: ProcessUser | undefined): Promise<string> {
  const asked = await execa(server, ['--version'], { cwd: '/', reject: false, ...(user && { uid: user.uid, gid: user.gid }) })
  const version = /(\d+\.\d+(?:\.\d+)?)/.exec(asked.stdout)?.[1]
  if (asked.exitCode === 0 && version !== undefined) return version
  throw new ShivError(`${server} cannot be run here, so the database ${database.name} cannot start.`, {
    code: 'DATABASE_BINARY_UNUSABLE',
    exit: 3,
    evidence: [asked.stderr, asked.stdout, asked.shortMessage ?? ''].filter((text) => text !== '').slice(0, 1),
    hint: `see why: ${server} --version`,
  })
}
