// A process of its own that watches a folder: limits of the kernel are forced on it alone. Commands come as lines, answers go as lines of JSON.
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { queueLength } from '../../src/drivers/watch/burst.ts'
import { createFolderWatcher } from '../../src/drivers/watch/folder-watcher.ts'
import type { Watching } from '../../src/engine/ports.ts'

let watching: Watching | undefined
const say = (message: object): void => console.log(JSON.stringify(message))
const commands: Record<string, (...words: string[]) => unknown> = {
  /** The first watch of a process fixes its queue: for so long alone the machine has a short one. */
  queue(length = '') {
    const file = '/proc/sys/fs/inotify/max_queued_events'
    const before = readFileSync(file, 'utf8')
    const folder = mkdtempSync(join(tmpdir(), 'shiv-queue-'))
    try {
      writeFileSync(file, length)
      watch(folder)
      queueLength()
    } finally {
      writeFileSync(file, before)
      rmdirSync(folder)
    }
    return { queue: queueLength() }
  },
  limit(name = '', value = '') {
    writeFileSync(`/proc/sys/user/${name}`, value)
    return { limit: value }
  },
  async watch(root = '') {
    watching = await createFolderWatcher({ shortestPauseMs: 20 }).watch(root, {
      isIgnored: () => false,
      onBatch: (batch) => say({ batch }),
      onDegraded: (warning) => say({ warning }),
    })
    return { ready: true }
  },
  /** All in one turn: nothing is read from the queue meanwhile. */
  burst(root = '', count = '') {
    for (let i = 0; i < Number(count); i++) {
      mkdirSync(join(root, `burst${i}/deep`), { recursive: true })
      writeFileSync(join(root, `burst${i}/deep/file`), 'x')
    }
    return { burst: true }
  },
  watches: () => ({ watches: watching?.watches }),
}
createInterface({ input: process.stdin }).on('line', (line) => {
  const [name = '', ...words] = line.split('\t')
  Promise.resolve(commands[name]?.(...words)).then(
    (answer) => say(answer as object),
    (error: unknown) => say({ error: String(error) }),
  )
})
say({ started: true })
