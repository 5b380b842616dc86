import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { identifyProcess, type ProcessIdentity } from '../../core/process-identity.ts'
import { terminate } from './terminate.ts'

const GRACE_MS = 2_000

/**
 * Ends every process of a run whose id `isKnown` does not vouch for: started in the moment before a daemon was killed, or one that
 * left its group. It is known by the mark that `launch` put into its environment or, since servers overwrite theirs, by standing
 * in the folder of a database (`folders`, by id) without a terminal.
 */
export async function sweepStrays(runDir: string, folders: Map<string, string>, isKnown: (id: string) => boolean): Promise<void> {
  const strays = findMarked(runDir, folders).filter(({ id, identity }) => !isKnown(id) && identity.pid !== process.pid)
  await Promise.all(strays.map(({ identity }) => terminate(identity, { signal: 'SIGTERM', graceMs: GRACE_MS })))
}

export interface Marked {
  id: string
  identity: ProcessIdentity
}

/** Every living process that carries the mark of a run, or stands in one of the folders. */
export function findMarked(runDir: string, folders: Map<string, string> = new Map()): Marked[] {
  const found = process.platform === 'linux' ? linuxMarked(runDir, folders) : psMarked(runDir)
  return found.flatMap(({ pid, id }) => {
    const identity = identifyProcess(pid)
    return identity === undefined ? [] : [{ id, identity }]
  })
}

function linuxMarked(runDir: string, folders: Map<string, string>): { pid: number; id: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const variables = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0')
      const id = variables.includes(`SHIV_RUN_DIR=${runDir}`) ? markIn(variables) : idByFolder(name, folders)
      return id === undefined ? [] : [{ pid: Number(name), id }]
    } catch {
      return [] // another user's process, or one that has ended
    }
  })
}

function markIn(variables: string[]): string {
  return variables.find((variable) => variable.startsWith('SHIV_PROCESS='))?.slice('SHIV_PROCESS='.length) ?? ''
}

function idByFolder(pid: string, folders: Map<string, string>): string | undefined {
  if (folders.size === 0) return undefined
  const cwd = readlinkSync(`/proc/${pid}/cwd`)
  const id = [...folders].find(([, folder]) => cwd === folder || cwd.startsWith(`${folder}/`))?.[0]
  if (id === undefined) return undefined
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const terminal = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[4]
  return terminal === '0' ? id : undefined
}

function psMarked(runDir: string): { pid: number; id: string }[] {
  const lines = execFileSync('ps', ['-axwwE', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).split(
    '\n',
  )
  return lines.flatMap((line) => {
    if (!` ${line} `.includes(` SHIV_RUN_DIR=${runDir} `)) return []
    return [{ pid: Number.parseInt(line.trim(), 10), id: / SHIV_PROCESS=(\S+)/.exec(line)?.[1] ?? '' }]
  })
}
