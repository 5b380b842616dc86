import { readFile, statfs, writeFile } from 'node:fs/promises'
import { portOwner } from '../../drivers/process/port-owner.ts'
import type { Check } from './check.ts'

const GIGABYTE = 2 ** 30
const INOTIFY = '/proc/sys/fs/inotify'

export const machineChecks: Check[] = [
  {
    id: 'disk',
    title: 'disk space',
    async look({ home }) {
      const { bavail, bsize } = await statfs(home)
      const free = (bavail * bsize) / GIGABYTE
      const detail = `${free.toFixed(1)} GB free at ${home}`
      if (free >= 5) return { state: 'ok', detail }
      const hint = 'docker system df shows what takes the room'
      return free >= 1
        ? { state: 'warning', detail, hint, needed: 'images and databases' }
        : { state: 'failed', detail, hint, needed: 'images and databases' }
    },
  },
  inotify('max_user_instances', 256, 512),
  inotify('max_user_watches', 65_536, 524_288),
  {
    id: 'port',
    title: 'front door',
    async look() {
      const owner = portOwner(7777)
      if (owner === undefined) return { state: 'ok', detail: 'port 7777 is free' }
      if (owner.pid === process.pid) return { state: 'ok', detail: 'port 7777 is served by this daemon' }
      return {
        state: 'warning',
        detail: `port 7777 is taken by ${owner.command} (pid ${owner.pid})`,
        hint: 'nothing to do: the next free port is taken; shiv status shows the URLs',
        needed: 'URLs that stay the same',
      }
    },
  },
]

function inotify(name: string, least: number, good: number): Check {
  const file = `${INOTIFY}/${name}`
  return {
    id: `inotify-${name.replaceAll('_', '-')}`,
    title: `inotify ${name}`,
    async look() {
      if (process.platform !== 'linux') return { state: 'ok', detail: `not a matter of ${process.platform}` }
      const value = Number(await readFile(file, 'utf8'))
      if (value >= least) return { state: 'ok', detail: String(value) }
      return {
        state: 'warning',
        detail: `${value}; watching files and nodes of a cluster may run out of them`,
        hint: `sudo sysctl fs.inotify.${name}=${good}`,
        needed: 'clusters and watching many folders',
        ...(process.getuid?.() === 0 && {
          async fix() {
            await writeFile(file, String(good))
            return `set to ${good} until the next boot`
          },
        }),
      }
    },
  }
}
