// Watches one folder in a process of its own and tells of it as lines of JSON, for `measures/watch.ts`.
import { watch as watchFolder } from 'node:fs'
import { relative } from 'node:path'
import { createInterface } from 'node:readline'
import { watch as watchWithChokidar } from 'chokidar'
import { createFolderWatcher } from '../../src/drivers/watch/folder-watcher.ts'
import { compileIgnoreRules } from '../../src/spec/ignore-rules.ts'

type Heard = (path: string, at: number) => void

/** Epoch milliseconds with fractions. */
const now = (): number => performance.timeOrigin + performance.now()

const watchers: Record<string, (root: string, heard: Heard) => Promise<unknown>> = {
  async shiv(root, heard) {
    const rules = compileIgnoreRules({
      root,
      rules: [
        { files: ['node_modules/**', 'dist/**', '**/*.md'], from: 'preset node', do: 'ignore' },
        { files: ['**/*'], from: 'preset node', do: 'sync', to: '/app' },
      ],
      docker: { context: root, preset: { from: 'preset node', lines: ['.git', '**/.env*', '**/node_modules', 'dist', '*.log'] } },
    })
    await createFolderWatcher().watch(root, {
      isIgnored: rules.isIgnored,
      onBatch: ({ paths }) => paths.forEach((path) => heard(path, now())),
    })
  },
  async chokidar(root, heard) {
    const watcher = watchWithChokidar(root, { ignoreInitial: true })
    await new Promise((resolve) => watcher.on('ready', () => resolve(undefined)))
    watcher.on('all', (_event, path) => heard(relative(root, path), now()))
  },
  async recursive(root, heard) {
    watchFolder(root, { recursive: true }, (_type, path) => path !== null && heard(path, now()))
  },
  async none() {},
}

const say = (message: object): void => console.log(JSON.stringify(message))
const [name = '', root = ''] = process.argv.slice(2)
const cpuBefore = process.cpuUsage()
const began = performance.now()
await watchers[name]!(root, (path, at) => say({ path, at }))
const readyMs = performance.now() - began
const cpu = process.cpuUsage(cpuBefore)
// What stays once the garbage of the start is gone.
global.gc?.()
const usage = (): object => ({ cpu: process.cpuUsage(), at: now(), rssMb: process.memoryUsage.rss() / 2 ** 20 })
createInterface({ input: process.stdin }).on('line', () => say({ usage: usage() }))
say({ readyMs, readyCpuMs: (cpu.user + cpu.system) / 1_000, usage: usage() })
