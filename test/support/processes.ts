import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

export interface Seen {
  pid: number
  args: string
  /** Begun as a spare: it waits for its turn, or has had it. */
  isSpare: boolean
}

/** Living processes that stand in `folder`, or name it in their words or environment, except shiv itself and whoever asks. */
export function processesOf(folder: string): Seen[] {
  const all = process.platform === 'linux' ? linuxProcesses(folder) : otherProcesses(folder)
  return all.filter(({ pid, args }) => pid !== process.pid && !/daemon\/main\.js|bin\/shiv\.js/.test(args))
}

function linuxProcesses(folder: string): Seen[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const isDead = /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
      const traces = [args, readlinkSync(`/proc/${pid}/cwd`), readFileSync(`/proc/${pid}/environ`, 'utf8')]
      return !isDead && traces.some((text) => text.includes(folder))
        ? [{ pid: Number(pid), args, isSpare: isSpare(traces[2]) }]
        : []
    } catch {
      return [] // it ended meanwhile, or is another user's
    }
  })
}

function otherProcesses(folder: string): Seen[] {
  const lines = execFileSync('ps', ['-axwwE', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).split(
    '\n',
  )
  return lines
    .filter((line) => line.includes(folder) && !/^\s*\d+ \/?\S*ps /.test(line))
    .map((line) => ({ pid: Number.parseInt(line, 10), args: line.trim().replace(/^\d+ /, ''), isSpare: isSpare(line) }))
}

function isSpare(environment = ''): boolean {
  return environment.includes('SHIV_SPARE_FIFO=')
}
