import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, realpath, rename, rm, rmdir, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { DatabasePlan } from '../../plan/types.ts'
import { hashOf } from '../process/hash.ts'
import type { ProcessSpec, ProcessUser } from '../process/process-spec.ts'
import { runToEnd } from '../process/run-to-end.ts'
import { fillTemplate, fillTemplates } from '../process/templates.ts'
import type { Credentials } from './credentials.ts'
import { databaseHealth, ensureNamedDatabase } from './database-health.ts'
import { findEngine, type Engine } from './find-engine.ts'
import { clearStaleLock } from './stale-lock.ts'
import { folderNameOf, isRoot, makeUserFolder, pickUnprivilegedUser, reachableFolder } from './unprivileged.ts'

const STOP_GRACE_MS = 10_000

export interface DatabaseContext {
  home: string
  runId: string
  runDir: string
  path: string | undefined
  signal: AbortSignal
}

export interface DatabaseSpec {
  spec: ProcessSpec
  engine: Engine
}

/** Everything a database process needs, up to an initialised data folder; a folder that is there is used as it is. */
export async function prepareDatabase(
  database: DatabasePlan,
  credentials: Credentials,
  port: number,
  context: DatabaseContext,
): Promise<DatabaseSpec> {
  const { folder, user } = await databaseFolder(database.name, context)
  const engine = await findEngine(database, { ...context, user })
  const [data, config] = [join(folder, 'data'), join(folder, 'server.conf')]
  const values = {
    server: engine.server,
    bin: dirname(engine.server),
    data,
    config,
    port: String(port),
    user: credentials.user,
    name: credentials.name,
  }
  const env = serverEnvironment(engine, folder, context.path)
  await refuseOtherEngine(database, engine, folder)
  const filled = { ...values, passwordFile: join(folder, 'password') }
  if (!existsSync(data))
    await initialise(database, engine, { folder, user, env, values: filled, password: credentials.password }, context)
  const where = `process of the preset ${database.type}`
  const text =
    engine.preset.config === undefined
      ? undefined
      : fillTemplate(engine.preset.config, { ...values, password: credentials.password }, where)
  const argv = fillTemplates(engine.preset.run, values, where)
  const spec: ProcessSpec = {
    id: `@${database.name}`,
    kind: 'database',
    source: database.name,
    unit: database.name,
    replica: database.name,
    argv,
    cwd: folder,
    env,
    ...(user && { user }),
    ports: { [database.type]: port },
    // The server is named in full: another shell's PATH is no other database.
    hash: hashOf([argv, text, { ...env, PATH: undefined }]),
    stop: { signal: engine.preset.stop, graceMs: STOP_GRACE_MS },
    health: databaseHealth(database, credentials, port),
    beforeStart: async () => {
      if (text !== undefined) await writePrivate(config, text, user)
      await clearStaleLock(data)
    },
    afterReady: (signal) => ensureNamedDatabase(database, credentials, port, signal),
  }
  return { spec, engine }
}

/** Where a database keeps its files, and as whom: under the run's folder, or outside of it when shiv is root and its home is closed to others. */
export async function databaseFolder(
  name: string,
  context: DatabaseContext,
): Promise<{ folder: string; user: ProcessUser | undefined }> {
  const inRun = join(context.runDir, 'data', 'databases')
  if (!isRoot()) {
    const folder = join(inRun, name)
    makeUserFolder(folder, undefined)
    return { folder, user: undefined }
  }
  const guess = join('/var/lib', folderNameOf(context.home), context.runId, name)
  const user = pickUnprivilegedUser(guess)
  const base = join(await reachableFolder(folderNameOf(context.home), user), context.runId)
  await mkdir(base, { recursive: true })
  await chmod(base, 0o711)
  const folder = join(base, name)
  makeUserFolder(folder, user)
  await mkdir(dirname(inRun), { recursive: true, mode: 0o700 })
  await linkOnce(base, inRun)
  return { folder, user }
}

/** The databases of a run are prepared side by side: the link may be there, or come up in between. */
async function linkOnce(target: string, path: string): Promise<void> {
  try {
    await symlink(target, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** The folder of a database if it was made already. */
export async function existingFolder(name: string, context: DatabaseContext): Promise<string> {
  const folder = join(context.runDir, 'data', 'databases', name)
  return existsSync(folder) ? realpath(folder) : folder
}

interface Initialisation {
  folder: string
  user: ProcessUser | undefined
  env: Record<string, string>
  values: Record<string, string>
  password: string
}

/** Into a folder aside, renamed when it is whole: an interrupted start leaves nothing that looks like a database. */
async function initialise(database: DatabasePlan, engine: Engine, work: Initialisation, context: DatabaseContext): Promise<void> {
  const { folder, user, env, password } = work
  const aside = join(folder, 'data.new')
  await rm(aside, { recursive: true, force: true })
  makeUserFolder(aside, user)
  const passwordFile = join(folder, 'password')
  const values = { ...work.values, data: aside }
  try {
    await writePrivate(passwordFile, `${password}\n`, user)
    for (const step of engine.preset.init ?? []) {
      const result = await runToEnd({
        runDir: context.runDir,
        id: `@${database.name}.init`,
        argv: fillTemplates(step, values, `init of the preset ${database.type}`),
        cwd: folder,
        env,
        ...(user && { user }),
        signal: context.signal,
      })
      if (result.code !== 0) throw initFailed(database, result.how, result.evidence)
    }
    const mark = { type: database.type, version: engine.version }
    await writePrivate(join(folder, 'engine.json'), JSON.stringify(mark), user)
    await rename(aside, join(folder, 'data'))
  } finally {
    await rm(passwordFile, { force: true })
  }
}

function initFailed(database: DatabasePlan, how: string, evidence: string[]): ShivError {
  return new ShivError(`The data folder of the database ${database.name} could not be made: its init ${how}.`, {
    code: 'DATABASE_INIT_FAILED',
    evidence,
    hint: evidence.some((line) => /No space left/i.test(line))
      ? 'free some disk space: df -h'
      : `see all of it: shiv logs ${database.name}`,
  })
}

/** A Postgres of another major version cannot read the data, and another type of database even less. */
async function refuseOtherEngine(database: DatabasePlan, engine: Engine, folder: string): Promise<void> {
  const made = await readMark(folder)
  const kept = await readMajor(join(folder, 'data', 'PG_VERSION'))
  const now = engine.version.split('.')[0]
  const otherType = made !== undefined && made !== database.type
  if (!otherType && (kept === undefined || kept === now)) return
  throw new ShivError(
    `The data of ${database.name} was written by ${otherType ? made : `${database.type} ${kept}`}, and ${database.type} ${now} cannot read it.`,
    {
      code: 'DATABASE_VERSION_MISMATCH',
      hint: `if the data may go: shiv stop --purge (it is in ${folder}); otherwise dump it with the old version first`,
    },
  )
}

async function readMark(folder: string): Promise<string | undefined> {
  const path = join(folder, 'engine.json')
  return existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as { type: string }).type : undefined
}

async function readMajor(path: string): Promise<string | undefined> {
  return existsSync(path) ? (await readFile(path, 'utf8')).trim() : undefined
}

function serverEnvironment(engine: Engine, folder: string, path: string | undefined): Record<string, string> {
  const found = [dirname(engine.server), path ?? '', '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'].filter((part) => part !== '')
  return { PATH: found.join(delimiter), HOME: folder, LC_ALL: 'C', TZ: 'UTC' }
}

async function writePrivate(path: string, text: string, user: ProcessUser | undefined): Promise<void> {
  await rm(path, { force: true })
  await writeFile(path, text, { mode: 0o600, flag: 'wx' })
  if (user !== undefined) await chown(path, user.uid, user.gid)
}

/** Deletes the data of every database of a run, wherever it had to be put. */
export async function removeDatabaseFolders(context: DatabaseContext): Promise<void> {
  const inRun = join(context.runDir, 'data', 'databases')
  if (existsSync(inRun)) await rm(await realpath(inRun), { recursive: true, force: true })
  await rm(inRun, { recursive: true, force: true })
  for (const parent of ['/var/lib', '/var/tmp']) {
    try {
      await rmdir(join(parent, folderNameOf(context.home)))
    } catch {
      // Not there, or another run of this home still has its data in it.
    }
  }
}
