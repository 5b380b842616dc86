import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { groupMembers } from './terminate.ts'

const LISTEN = '0A'

export interface PortOwner {
  pid: number
  command: string
}

/** Who listens on a local TCP port; undefined when nobody does or the system does not tell. */
export function portOwner(port: number): PortOwner | undefined {
  if (process.platform !== 'linux') return lsofOwner(port)
  const inodes = new Set(linuxListeners().flatMap((socket) => (socket.port === port ? [socket.inode] : [])))
  if (inodes.size === 0) return undefined
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name) && socketsOf(name).some((inode) => inodes.has(inode)))
      return { pid: Number(name), command: commandOf(name) }
  }
  return undefined
}

/**
 * Who answers on a port in place of a process group that should; undefined when the group itself listens there or nobody can tell.
 * Asked on Linux only: elsewhere the look takes longer than the start that it would guard.
 */
export function strangerOn(port: number, group: number): PortOwner | undefined {
  if (process.platform !== 'linux' || listensItself(group, port) || listeningPorts(group).includes(port)) return undefined
  const owner = portOwner(port)
  return owner === undefined || descendsFrom(owner.pid, group) ? undefined : owner
}

/** The common case, without a look at every process of the machine. */
function listensItself(pid: number, port: number): boolean {
  const inodes = new Set(linuxListeners().flatMap((socket) => (socket.port === port ? [socket.inode] : [])))
  return socketsOf(String(pid)).some((inode) => inodes.has(inode))
}

function descendsFrom(pid: number, ancestor: number): boolean {
  for (let at = pid; at > 1; at = parentOf(at)) if (at === ancestor) return true
  return false
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0 // it ended meanwhile
  }
}

/** The ports that a process group listens on. */
export function listeningPorts(group: number): number[] {
  const members = groupMembers(group)
  if (process.platform !== 'linux') return members.flatMap((pid) => lsofPorts(pid))
  const owned = new Set(members.flatMap((pid) => socketsOf(String(pid))))
  return [...new Set(linuxListeners().flatMap((socket) => (owned.has(socket.inode) ? [socket.port] : [])))]
}

function linuxListeners(): { port: number; inode: string }[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => {
    let table: string
    try {
      table = readFileSync(path, 'utf8')
    } catch {
      return [] // a kernel without IPv6 has no tcp6
    }
    return table
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN)
      .map((fields) => ({ port: Number.parseInt(fields[1]?.split(':')[1] ?? '', 16), inode: fields[9] ?? '' }))
  })
}

function socketsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1]
      return inode === undefined ? [] : [inode]
    })
  } catch {
    return [] // another user's process, or one that ended meanwhile
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .replace(/[\0\s]+/g, ' ')
      .trim()
      .slice(0, 80)
  } catch {
    return 'a process that has just ended'
  }
}

function lsofOwner(port: number): PortOwner | undefined {
  const out = lsof(['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'])
  const pid = /^p(\d+)/m.exec(out)?.[1]
  return pid === undefined ? undefined : { pid: Number(pid), command: /^c(.+)/m.exec(out)?.[1] ?? 'unknown' }
}

function lsofPorts(pid: number): number[] {
  const out = lsof(['-nP', '-a', '-p', String(pid), '-iTCP', '-sTCP:LISTEN', '-Fn'])
  return [...out.matchAll(/^n.*:(\d+)$/gm)].map((match) => Number(match[1]))
}

function lsof(args: string[]): string {
  try {
    return execFileSync('lsof', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return '' // lsof ends with 1 when it finds nothing, and may be missing: the owner is then unknown
  }
}
