import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import { shivHome, socketPath } from '../../core/paths.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import { identifyProcess, isAlive, type ProcessIdentity } from '../../core/process-identity.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import { connect } from '../../wire/client.ts'
import type { Request, StartParams, WireEvent } from '../../wire/messages.ts'

/**
 * Where one side is measured: a copy of its files, and a home and a daemon of its own. The user's tree, runs and data are never touched, so
 * nothing has to be taken back however a bench ends.
 */
export interface Stage {
  side: string
  /** The copy of the workspace. */
  root: string
  home: string
  params: Omit<StartParams, 'path' | 'services'>
  call<T>(request: Request, options?: { onEvent?: (event: WireEvent) => void; signal?: AbortSignal }): Promise<T>
  /** What start, build and the like ask for. */
  ask(services: string[]): StartParams
  /** Ends its daemon, if it has one; what runs goes on. */
  endDaemon(): Promise<void>
}

export interface Stages {
  folder: string
  /** What an earlier bench left and could not be removed; the next one tries again. */
  remarks: string[]
  open(side: string, params: Stage['params']): Stage
  /** Ends everything that the stages run, and removes them. */
  close(): Promise<void>
}

const OWNER = 'owner.json'

function stagesFolder(): string {
  return join(shivHome(), 'bench', 'stages')
}

/** Opens a folder for the stages of one bench, after removing what one that was killed left behind. */
export async function openStages(): Promise<Stages> {
  makePrivateFolder(stagesFolder())
  const remarks = await sweepStages()
  const folder = join(stagesFolder(), randomUUID().slice(0, 8))
  makePrivateFolder(folder)
  await writeFile(join(folder, OWNER), JSON.stringify(identifyProcess(process.pid)), { mode: 0o600 })
  return {
    folder,
    remarks,
    open(side, params) {
      const place = join(folder, `side-${side.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 20)}`)
      for (const path of [place, join(place, 'home')]) makePrivateFolder(path)
      return stageAt({ side, root: join(place, 'tree'), home: join(place, 'home'), params })
    },
    close: () => removeStages(folder),
  }
}

function stageAt({ side, root, home, params }: Pick<Stage, 'side' | 'root' | 'home' | 'params'>): Stage {
  return {
    side,
    root,
    home,
    params,
    call: (request, options = {}) => callDaemon(request, { ...options, home, command: 'shiv bench' }),
    ask: (services) => ({ ...params, path: root, services }),
    endDaemon: () => endDaemon(home),
  }
}

async function endDaemon(home: string): Promise<void> {
  const connection = await connect(socketPath(home))
  if (connection === undefined) return
  await connection.call({ method: 'shutdown', params: { keepRuns: true, drain: true } })
  await connection.closed
}

/** Ends and removes what benches left whose process is gone; tells what could not be. */
export async function sweepStages(): Promise<string[]> {
  const names = await readdir(stagesFolder()).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const remarks: string[] = []
  for (const name of names) {
    const folder = join(stagesFolder(), name)
    if (await isOwned(folder)) continue
    await removeStages(folder).catch((error: unknown) => remarks.push(leftOver(folder, error)))
  }
  return remarks
}

/** What a stage leaves keeps nobody from the figures that were measured in it. */
export function leftOver(folder: string, error: unknown): string {
  return `${folder} could not be removed, the next bench tries again: ${error instanceof Error ? error.message : String(error)}`
}

async function isOwned(folder: string): Promise<boolean> {
  try {
    return isAlive(JSON.parse(await readFile(join(folder, OWNER), 'utf8')) as ProcessIdentity)
  } catch {
    return false // killed before it had written who it is, or while it did
  }
}

async function removeStages(folder: string): Promise<void> {
  const places = (await readdir(folder)).filter((name) => name.startsWith('side-')).map((name) => join(folder, name))
  await Promise.all(places.map(endRuns))
  await rm(folder, { recursive: true, force: true })
}

/** A stage that never ran anything has no daemon, and none is started for it. */
async function endRuns(place: string): Promise<void> {
  const home = join(place, 'home')
  if (existsSync(join(home, 'runs'))) {
    const params = { path: join(place, 'tree'), services: [], purge: true }
    await callDaemon({ method: 'stop', params }, { home, command: 'shiv bench' }).catch((error: unknown) => {
      // Nothing of it was ever begun, or its definition is what was wrong.
      if (!(error instanceof ShivError) || !/^(RUN_|SPEC_)/.test(error.code)) throw error
    })
  }
  // Where images were built.
  if (existsSync(join(home, 'builds'))) {
    const params = { path: join(place, 'tree'), services: [], env: 'local', runtime: 'kind' as const, environment: process.env }
    await callDaemon({ method: 'build', params: { ...params, fresh: false, discard: true } }, { home, command: 'shiv bench' })
  }
  await endDaemon(home)
}
