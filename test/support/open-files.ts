import { readdirSync, readlinkSync } from 'node:fs'

/** What a process has open, by path where it has one; an empty text for what was closed meanwhile. Linux only. */
export function openFiles(pid: number | 'self'): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`)
    } catch {
      return '' // closed meanwhile
    }
  })
}
