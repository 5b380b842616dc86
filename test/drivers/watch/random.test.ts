import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createChokidarWatcher } from '../../../src/drivers/watch/chokidar-watcher.ts'
import { createFolderWatcher } from '../../../src/drivers/watch/folder-watcher.ts'
import { createPollingWatcher } from '../../../src/drivers/watch/polling-watcher.ts'
import type { Watcher, WatchWarning } from '../../../src/engine/ports.ts'
import { until } from '../../contract/watcher.ts'

type Step =
  | { do: 'write' | 'remove' | 'mkdir' | 'link'; path: string }
  | { do: 'move'; path: string; to: string }
  | { do: 'pause'; milliseconds: number }

const name = fc.constantFrom('a', 'b', 'c')
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('remove' as const, 'mkdir' as const, 'link' as const), path }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('move' as const), path, to: path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pause' as const), milliseconds: fc.constantFrom(0, 1, 5) }) },
)
const steps = fc.array(step, { minLength: 1, maxLength: 25 })

test.each<[string, number, () => Watcher]>([
  ['one watch a folder', 150, () => createFolderWatcher()],
  ['chokidar', 15, createChokidarWatcher],
  ['polling', 30, () => createPollingWatcher(5)],
])(
  '%s: who looks at each path when it is told has in the end what is there, whatever is done',
  async (_name, numRuns, create) => {
    await fc.assert(
      fc.asyncProperty(steps, steps, async (before, after) => {
        const root = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-random-')))
        for (const step of before) await take(root, step, false)
        const mirror = stateOf(root)
        const warnings: WatchWarning[] = []
        const watching = await create().watch(root, {
          isIgnored: () => false,
          onBatch: ({ paths }) => {
            for (const path of paths) copy(root, path, mirror)
          },
          onDegraded: (warning) => warnings.push(warning),
        })
        try {
          for (const step of after) await take(root, step, true)
          const final = [...stateOf(root)].sort()
          await until(() => expect([...mirror].sort()).toEqual(final))
          expect(warnings).toEqual([])
        } finally {
          await watching.close()
          rmSync(root, { recursive: true, force: true })
        }
      }),
      { numRuns },
    )
  },
  300_000,
)

let count = 0

/** Does what can be done of a step; what stands in its way is left as it is. */
async function take(root: string, step: Step, mayPause: boolean): Promise<void> {
  if (step.do === 'pause') {
    if (mayPause) await new Promise((resolve) => setTimeout(resolve, step.milliseconds))
    return
  }
  const path = join(root, step.path)
  try {
    if (step.do === 'remove') return rmSync(path, { recursive: true, force: true })
    mkdirSync(dirname(step.do === 'move' ? join(root, step.to) : path), { recursive: true })
    if (step.do === 'write') writeFileSync(path, `content ${count++}`)
    else if (step.do === 'mkdir') mkdirSync(path)
    else if (step.do === 'link') symlinkSync(`../target${count++}`, path)
    else if (step.do === 'move') renameSync(path, join(root, step.to))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
  }
}

/** By path, the content of each file and the target of each link. */
function stateOf(root: string, folder = ''): Map<string, string> {
  const state = new Map<string, string>()
  for (const name of readdirSync(join(root, folder))) {
    const path = folder === '' ? name : `${folder}/${name}`
    const stat = lstatSync(join(root, path))
    if (stat.isDirectory()) for (const [inner, text] of stateOf(root, path)) state.set(inner, text)
    else copy(root, path, state)
  }
  return state
}

/** Puts what stands at a path now into a state. */
function copy(root: string, path: string, state: Map<string, string>): void {
  const at = join(root, path)
  try {
    state.set(path, lstatSync(at).isSymbolicLink() ? `-> ${readlinkSync(at)}` : readFileSync(at, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    state.delete(path)
  }
}
