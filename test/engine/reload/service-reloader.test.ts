import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ShivError } from '../../../src/core/errors.ts'
import { createLog } from '../../../src/core/log.ts'
import type { ReloadOrder, ReloadOutcome, WatchOptions } from '../../../src/engine/ports.ts'
import { now, type Loop } from '../../../src/engine/reload/loop.ts'
import { hashText } from '../../../src/engine/reload/source-tree.ts'
import type { Verdict } from '../../../src/plan/reload-rules.ts'
import type { KeptState, ReloaderParts } from '../../../src/engine/reload/reloader-parts.ts'
import type { BuildRule } from '../../../src/engine/reload/rule-types.ts'
import { ServiceReloader } from '../../../src/engine/reload/service-reloader.ts'
import type { ServicePlan } from '../../../src/plan/types.ts'

type Order = Omit<ReloadOrder, 'hold'>

const verdict = (action: Verdict['action'], why = ''): Verdict => ({ action, why, rule: action, from: 'test', targets: [] })
const sync = (path: string): Verdict => ({ ...verdict('sync'), targets: [`/app/${path}`] })
const build: BuildRule = {
  files: ['**/*.go'],
  from: 'preset go',
  do: 'build',
  run: ['make'],
  sync: { from: 'out', to: '/app/app' },
}
const ready: ReloadOutcome = { replicas: [{ id: 'orders-1', state: 'ready' }] }

let root: string
let reloader: ServiceReloader
let options: WatchOptions | undefined
let orders: Order[]
let loops: Loop[]
let kept: KeptState | undefined
let reconciled: string[]
let built: number
let saves: number
let installed: string[]
/** How the next orders go; the default is well. */
let answers: ((order: Order) => Promise<ReloadOutcome>)[]

const write = (path: string, text: string) => writeFileSync(join(root, path), text)
const save = (path: string, text: string) => {
  write(path, text)
  options!.onBatch({ seenAt: now(), paths: [path], isComplete: true })
}
const until = async (condition: () => boolean) => {
  for (let i = 0; !condition() && i < 500; i++) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(condition()).toBe(true)
}
const contents = (order: Order) => Object.fromEntries([...order.overlay].map(([path, { hash }]) => [path, hash]))

function make(parts: Partial<ReloaderParts> = {}, rules: Record<string, Verdict> = {}): ServiceReloader {
  const service = { name: 'orders', root, reload: { restart: 'process', overlap: false, browser: false, rules: [build] } }
  return new ServiceReloader(service as unknown as ServicePlan, {
    log: createLog(() => {}),
    watcher: {
      name: 'fake',
      watch: async (_root, given) => {
        options = given
        return { watches: 1, close: async () => void (options = undefined) }
      },
    },
    rules: { isIgnored: (path) => path.startsWith('ignored'), verdict: (path) => rules[path] ?? sync(path) },
    build: async () => void (built += 1),
    install: async (_service, { run }) => void installed.push(run.join(' ')),
    installBeside: async (_service, { run }, paths) => void installed.push(`${run.join(' ')} with ${paths.sort().join()}`),
    installedAt: () => join(root, 'ignored', 'made'),
    contents: async () => new Map(),
    artefact: () => join(root, 'out'),
    prepare: undefined,
    apply: async (order) => {
      orders.push(order)
      const answer = answers.shift()
      if (answer) return answer(order)
      for (const phase of ['sent', 'applied', 'restarted', 'ready'] as const) order.passed(phase)
      return ready
    },
    ask: async () => {},
    reconcile: (action, { files }) => void reconciled.push(`${action} ${files.join()}`),
    renew: () => {},
    nextLoop: () => loops.length + 1,
    nextSequence: () => orders.length + 1,
    tell: (loop) => void loops.push(loop),
    saved: () => void (saves += 1),
    keep: async (state) => void (kept = state),
    ...parts,
  })
}

async function open(): Promise<void> {
  reloader.rebase(reloader.survey())
  await reloader.resume()
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shiv-reloader-'))
  write('a.js', 'one')
  write('b.js', 'one')
  ;[orders, loops, reconciled, answers, kept, built, saves, installed] = [[], [], [], [], undefined, 0, 0, []]
  reloader = make()
})
afterEach(async () => {
  await reloader.close()
  rmSync(root, { recursive: true, force: true })
})

describe('a save', () => {
  it('becomes an order with that file, and a loop whose spans add up to the whole', async () => {
    await open()
    save('a.js', 'two')
    await until(() => loops.length === 1)
    expect(contents(orders[0]!)).toEqual({ '/app/a.js': hashText('two') })
    expect(loops[0]).toMatchObject({ service: 'orders', files: ['a.js'], action: 'sync', outcome: 'served', replicas: 1 })
    // A busy machine may have let it wait.
    const phases = loops[0]!.spans.map(({ name }) => name).filter((name) => name !== 'waited')
    expect(phases).toEqual(['seen', 'classified', 'sent', 'applied', 'restarted', 'ready', 'served'])
    expect(loops[0]!.spans.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(loops[0]!.durationMs, 6)
  })

  it('that changes nothing, or only what is ignored, is no loop', async () => {
    await open()
    options!.onBatch({ seenAt: now(), paths: ['a.js'], isComplete: true })
    save('ignored.js', 'x')
    save('b.js', 'two')
    await until(() => loops.length === 1)
    expect(orders).toHaveLength(1)
    expect(loops[0]!.files).toEqual(['b.js'])
    await until(() => saves === 1)
  })

  it('that deletes a file says that it must not be there', async () => {
    await open()
    rmSync(join(root, 'a.js'))
    options!.onBatch({ seenAt: now(), paths: ['a.js'], isComplete: true })
    await until(() => loops.length === 1)
    expect(orders[0]!.overlay.get('/app/a.js')).toMatchObject({ source: undefined, hash: '' })
  })

  it('is found by a look at everything where events were lost', async () => {
    await open()
    write('b.js', 'two')
    options!.onBatch({ seenAt: now(), paths: [], isComplete: false })
    await until(() => loops.length === 1)
    expect(contents(orders[0]!)).toEqual({ '/app/b.js': hashText('two') })
  })

  it('that is written aside and renamed is one loop, of the file alone', async () => {
    await open()
    save('a.js.tmp123', 'two')
    await new Promise((resolve) => setTimeout(resolve, 3))
    renameSync(join(root, 'a.js.tmp123'), join(root, 'a.js'))
    options!.onBatch({ seenAt: now(), paths: ['a.js.tmp123', 'a.js'], isComplete: true })
    await until(() => loops.length === 1)
    expect(loops[0]!.files).toEqual(['a.js'])
    expect([...orders[0]!.overlay.keys()]).toEqual(['/app/a.js'])
  })

  it('of many files by a branch switch is one order, however long git takes', async () => {
    await open()
    mkdirSync(join(root, '.git'))
    write('.git/index.lock', '')
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 25; i++) write(`f${round}-${i}.js`, 'new')
      options!.onBatch({ seenAt: now(), paths: Array.from({ length: 25 }, (_, i) => `f${round}-${i}.js`), isComplete: true })
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    rmSync(join(root, '.git/index.lock'))
    await until(() => loops.length === 1)
    expect(orders).toHaveLength(1)
    expect(orders[0]!.overlay.size).toBe(125)
  })

  it('of a file that is emptied and then written is one order, with the bytes', async () => {
    await open()
    save('a.js', '')
    write('a.js', 'two')
    await until(() => loops.length === 1)
    expect(contents(orders[0]!)).toEqual({ '/app/a.js': hashText('two') })
  })
})

describe('saves while an order is on its way', () => {
  it('are gathered behind a restart that goes well, and one order brings them all', async () => {
    await open()
    let finish = () => {}
    answers.push(async (order) => {
      order.passed('sent')
      order.passed('applied')
      await new Promise<void>((resolve) => (finish = resolve))
      return ready
    })
    save('a.js', 'two')
    await until(() => orders.length === 1)
    for (let i = 0; i < 20; i++) save(i % 2 ? 'a.js' : 'b.js', `edit ${i}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(orders).toHaveLength(1)
    expect(orders[0]!.signal.aborted).toBe(false)
    finish()
    await until(() => loops.length === 2)
    expect(contents(orders[1]!)).toEqual({ '/app/a.js': hashText('edit 19'), '/app/b.js': hashText('edit 18') })
  })

  it('overtake one that is not applied yet; the loop counts from the first of them', async () => {
    await open()
    answers.push(
      (order) => new Promise((_resolve, reject) => order.signal.addEventListener('abort', () => reject(new Error('aborted')))),
    )
    save('a.js', 'two')
    await until(() => orders.length === 1)
    const first = now()
    save('b.js', 'two')
    await until(() => loops.length === 1)
    expect(orders[0]!.signal.aborted).toBe(true)
    expect(contents(orders[1]!)).toEqual({ '/app/a.js': hashText('two'), '/app/b.js': hashText('two') })
    expect(loops[0]!.files.sort()).toEqual(['a.js', 'b.js'])
    expect(loops[0]!.savedAt).toBeLessThan(first)
  })
})

describe('what goes wrong', () => {
  it.each([
    { where: 'on their way', phase: undefined, takesMs: 200 },
    { where: 'waiting for readiness', phase: 'applied' as const, takesMs: 1_300 },
  ])('that never end overtake a few orders $where, and then one comes through', async ({ phase, takesMs }) => {
    const slow = (order: Order) =>
      new Promise<ReloadOutcome>((resolve, reject) => {
        orders.push(order)
        if (phase) order.passed(phase)
        const timer = setTimeout(() => resolve(ready), takesMs)
        order.signal.addEventListener('abort', () => {
          clearTimeout(timer)
          reject(order.signal.reason as Error)
        })
      })
    reloader = make({ apply: slow })
    await open()
    let turn = 0
    const saving = setInterval(() => save('a.js', `turn ${turn++}`), 50)
    try {
      await expect.poll(() => loops.length, { timeout: 15_000 }).toBeGreaterThan(0)
    } finally {
      clearInterval(saving)
    }
    expect(loops[0]).toMatchObject({ outcome: 'served' })
    expect(orders.length).toBeGreaterThan(1)
  })

  it('an order that fails is told, and the next save brings everything again', async () => {
    await open()
    answers.push(async () => {
      throw new ShivError('no', { code: 'POD_EXEC_FAILED' })
    })
    save('a.js', 'two')
    await until(() => loops.length === 1)
    expect(loops[0]).toMatchObject({ outcome: 'failed', error: { code: 'POD_EXEC_FAILED' } })
    expect(reloader.isCurrent).toBe(false)
    save('b.js', 'two')
    await until(() => loops.length === 2)
    expect(Object.keys(contents(orders[1]!))).toEqual(['/app/a.js', '/app/b.js'])
    expect(reloader.isCurrent).toBe(true)
  })

  it('an order that fails is given again by itself, and a failure that is known is not told again', async () => {
    reloader = make({ retryMs: 20 })
    await open()
    const fail = (message: string) => async () => {
      throw new ShivError(message, { code: 'POD_EXEC_FAILED' })
    }
    answers.push(fail('the API server is away'), fail('the API server is away'), fail('it is back, and says no'))
    save('a.js', 'two')
    await until(() => orders.length === 4 && loops.length === 3)
    expect(loops.map(({ outcome, error }) => error?.message ?? outcome)).toEqual([
      'the API server is away',
      'it is back, and says no',
      'served',
    ])
    expect(contents(orders[3]!)).toEqual({ '/app/a.js': hashText('two') })
    await until(() => reloader.isCurrent)
    // Retries have an end with what was due.
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(orders).toHaveLength(4)
  })

  it('what was served is served, also where it cannot be remembered', async () => {
    const logged: string[] = []
    reloader = make({
      log: createLog((line) => logged.push(line)),
      keep: async () => {
        throw new Error('ENOSPC: no space left on device')
      },
    })
    await open()
    save('a.js', 'two')
    await until(() => reloader.isCurrent && loops.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(loops.map(({ outcome }) => outcome)).toEqual(['served'])
    expect(orders).toHaveLength(1)
    expect(logged.join()).toContain('no space left')
  })

  it('a file that cannot be read is tried again, and brought when it can be', async () => {
    reloader = make({ retryMs: 20 })
    await open()
    const { hash } = reloader.tree
    reloader.tree.hash = async () => undefined
    save('a.js', 'two')
    await until(() => loops.length === 2)
    expect(loops.map(({ remarks }) => remarks)).toEqual([['a.js: it cannot be read'], ['a.js: it cannot be read']])
    expect(reloader.isCurrent).toBe(false)
    reloader.tree.hash = hash
    await until(() => reloader.isCurrent)
    expect(contents(orders.at(-1)!)).toEqual({ '/app/a.js': hashText('two') })
  })

  it('a replica that does not become ready is a failed loop with its last lines', async () => {
    await open()
    answers.push(async () => ({
      replicas: [{ id: 'orders-1', state: 'failed', cause: 'it exited with code 1', evidence: ['at a.js:3'] }],
    }))
    save('a.js', 'two')
    await until(() => loops.length === 1)
    expect(loops[0]).toMatchObject({ outcome: 'failed', error: { code: 'RELOAD_NOT_READY', evidence: ['at a.js:3'] } })
  })

  it('a build that fails keeps what runs: nothing is sent', async () => {
    reloader = make(
      {
        build: async () => {
          throw new ShivError('no', { code: 'RELOAD_BUILD_FAILED' })
        },
      },
      { 'a.js': { ...verdict('build'), decidedBy: build } },
    )
    await open()
    save('a.js', 'two')
    await until(() => loops.length === 1)
    expect(loops[0]).toMatchObject({ action: 'build', outcome: 'failed', error: { code: 'RELOAD_BUILD_FAILED' } })
    expect(orders).toEqual([])
  })

  it('files that a replica refuses are tried again by themselves', async () => {
    await open()
    answers.push(async () => ({
      replicas: [{ id: 'orders-1', state: 'ready', refused: [{ path: '/app/a.js', cause: 'no space left' }] }],
    }))
    save('a.js', 'two')
    await until(() => loops.length === 2)
    expect(loops[0]!.remarks).toEqual(['/app/a.js: no space left'])
    expect(loops[1]).toMatchObject({ outcome: 'served' })
    expect(contents(orders[1]!)).toEqual(contents(orders[0]!))
  })
})

it('is watched once, however often it is resumed, and not at all once it is closed', async () => {
  let opened = 0
  let closed = 0
  let finish = () => {}
  const watch = async () => {
    opened += 1
    await new Promise<void>((resolve) => (finish = resolve))
    return { watches: 1, close: async () => void (closed += 1) }
  }
  reloader = make({ watcher: { name: 'slow', watch } })
  reloader.rebase(reloader.survey())
  const resumed = [reloader.resume(), reloader.resume()]
  const ended = reloader.close()
  finish()
  await Promise.all([...resumed, ended])
  expect([opened, closed]).toEqual([1, 1])
})

it('a watch that could not be set is set by the next resume', async () => {
  let isBroken = true
  const watch = async () => {
    if (isBroken) throw new Error('the folder is away')
    return { watches: 1, close: async () => {} }
  }
  reloader = make({ watcher: { name: 'broken', watch } })
  await expect(reloader.resume()).rejects.toThrow('the folder is away')
  isBroken = false
  await reloader.resume()
})

describe('a pause', () => {
  it('gives up the order, gathers saves, and brings all of them afterwards', async () => {
    await open()
    answers.push(
      (order) => new Promise((_resolve, reject) => order.signal.addEventListener('abort', () => reject(new Error('aborted')))),
    )
    save('a.js', 'two')
    await until(() => orders.length === 1)
    await reloader.pause()
    save('b.js', 'two')
    expect(orders).toHaveLength(1)
    await reloader.resume()
    await until(() => loops.length === 1)
    expect(Object.keys(contents(orders[1]!)).sort()).toEqual(['/app/a.js', '/app/b.js'])
  })

  it('of a rebuild that failed leaves the base as it was, so the edit is still beyond the image', async () => {
    await open()
    await reloader.pause()
    write('a.js', 'two')
    reloader.survey()
    await reloader.resume()
    await until(() => loops.length === 1)
    expect(contents(orders[0]!)).toEqual({ '/app/a.js': hashText('two') })
  })

  it('of a rebuild that went well makes the tree of its beginning the base: later edits only are brought', async () => {
    await open()
    save('a.js', 'two')
    await until(() => loops.length === 1)
    await reloader.pause()
    const survey = reloader.survey()
    write('b.js', 'while it was built')
    reloader.rebase(survey)
    await reloader.resume()
    await until(() => loops.length === 2)
    expect(contents(orders[1]!)).toEqual({ '/app/b.js': hashText('while it was built') })
  })
})

it('the next daemon finds what was edited while none watched, and what was built before', async () => {
  await open()
  save('a.js', 'two')
  await until(() => loops.length === 1 && kept?.mark !== '')
  await reloader.close()
  write('b.js', 'unwatched')
  write('out', 'artefact')
  const next = make()
  next.survey()
  await next.recall({ ...kept!, built: [0] })
  reloader = next
  await next.resume()
  await until(() => orders.length === 2)
  expect(Object.keys(contents(orders[1]!)).sort()).toEqual(['/app/a.js', '/app/app', '/app/b.js', '/app/out'])
})

it('another image or another Plan is for the whole run', async () => {
  reloader = make({}, { 'a.js': verdict('image'), 'b.js': verdict('plan') })
  await open()
  save('a.js', 'two')
  await until(() => reconciled.length === 1)
  save('b.js', 'two')
  await until(() => reconciled.length === 2)
  expect(reconciled).toEqual(['image a.js', 'plan b.js'])
  expect(orders).toEqual([])
})

it('where the working copy itself runs, every kind of save prepares and restarts', async () => {
  let prepared = 0
  reloader = make({ prepare: async () => void (prepared += 1) }, { 'a.js': verdict('image') })
  await open()
  save('a.js', 'two')
  await until(() => loops.length === 1)
  save('b.js', 'two')
  await until(() => loops.length === 2)
  expect(prepared).toBe(2)
  expect(loops.map(({ action }) => action)).toEqual(['restart', 'restart'])
  expect(orders.every(({ overlay }) => overlay.size === 0)).toBe(true)
  expect(orders[0]!.mark).not.toBe(orders[1]!.mark)
})

it('says what changed since the working copy was last prepared, once that is known, also over a preparation that failed', async () => {
  const told: (string[] | undefined)[] = []
  let isBroken = false
  const prepare: ReloaderParts['prepare'] = async (_service, _signal, changed) => {
    told.push(changed && [...changed])
    if (isBroken) throw new ShivError('no', { code: 'PROCESS_PREPARE_FAILED' })
  }
  reloader = make({ prepare }, {})
  await open()
  save('a.js', 'two')
  await until(() => loops.length === 1)
  isBroken = true
  save('b.js', 'two')
  await until(() => loops.length === 2)
  isBroken = false
  save('a.js', 'three')
  await until(() => loops.length === 3)
  save('b.js', 'three')
  await until(() => loops.length === 4)
  expect(told).toEqual([undefined, ['b.js'], ['b.js', 'a.js'], ['b.js']])
})

describe('a file that says what is depended on', () => {
  const rule = { files: ['deps'], from: 'test', do: 'install' as const, run: ['npm', 'ci'], to: '/app' }
  const rules = {
    'deps.json': { ...verdict('install'), decidedBy: rule },
    'deps.lock': { ...verdict('install'), decidedBy: rule },
  }

  it('is installed by its command where the working copy runs, once, before that is prepared', async () => {
    reloader = make({ prepare: async () => void installed.push('prepared') }, rules)
    await open()
    write('deps.lock', 'x')
    write('deps.json', 'x')
    options!.onBatch({ seenAt: now(), paths: ['deps.json', 'deps.lock'], isComplete: true })
    await until(() => loops.length === 1)
    expect(installed).toEqual(['npm ci', 'prepared'])
    expect(loops[0]).toMatchObject({ action: 'restart', outcome: 'served' })
    expect(loops[0]!.remarks).toBeUndefined()
  })

  it('keeps what runs where that fails', async () => {
    const install = async () => {
      throw new ShivError('no', { code: 'RELOAD_INSTALL_FAILED' })
    }
    reloader = make({ install, prepare: async () => void installed.push('prepared') }, rules)
    await open()
    save('deps.json', 'x')
    await until(() => loops.length === 1)
    expect(loops[0]).toMatchObject({ outcome: 'failed', error: { code: 'RELOAD_INSTALL_FAILED' } })
    expect([orders, installed]).toEqual([[], []])
  })

  it('makes another image where containers run and the rule cannot be done beside them, and says why', async () => {
    let remarks: string[] = []
    const bare = { 'deps.json': { ...verdict('image', 'the rule names no image'), decidedBy: rule } }
    reloader = make({ reconcile: (action, begun) => void ([remarks] = [begun.remarks, reconciled.push(action)]) }, bare)
    await open()
    save('deps.json', 'x')
    await until(() => reconciled.length === 1)
    expect(reconciled).toEqual(['image'])
    expect(remarks).toEqual(['deps.json: the rule names no image'])
    expect(installed).toEqual([])
  })
})

describe('a file that says what is depended on, where containers run', () => {
  const rule = {
    files: ['deps.*'],
    from: 'test',
    do: 'install' as const,
    run: ['npm', 'ci'],
    to: '/app',
    inContainer: { image: 'tool:1', makes: 'm', reads: ['.rc'] },
  }
  const deps = (path: string) => ({ ...verdict('install'), targets: [`/app/${path}`, '/app/m'], decidedBy: rule })
  const rules = { 'deps.json': deps('deps.json'), 'deps.lock': deps('deps.lock') }
  const made = (path: string, text: string) => {
    mkdirSync(join(root, 'ignored', 'made'), { recursive: true })
    write(`ignored/made/${path}`, text)
  }
  const inImage = async () => new Map([['/app/m/old', { hash: hashText('old'), mode: 0o644 }]])
  const makeWithRule = (parts: Partial<ReloaderParts> = {}) => {
    const next = make({ contents: inImage, ...parts }, rules)
    next.service.reload!.rules = [build, rule]
    return next
  }

  it('is what the image made of it until it is saved: only then replicas must hold the file itself', async () => {
    reloader = makeWithRule()
    write('deps.json', 'one')
    write('deps.lock', 'one')
    await open()
    expect([...(await reloader.expected()).expected.keys()]).toEqual(['/app/a.js', '/app/b.js'])
    save('deps.lock', 'two')
    await until(() => loops.length === 1)
    expect((await reloader.expected()).expected.get('/app/deps.lock')).toBe(hashText('two'))
    expect((await reloader.expected()).expected.has('/app/deps.json')).toBe(false)
  })

  it('is installed beside them, of all that the command reads, and goes in with what was installed; the image is stale', async () => {
    reloader = makeWithRule()
    write('deps.lock', 'x')
    write('.rc', 'x')
    await open()
    expect(reloader.isImageStale).toBe(false)
    made('new', 'new')
    save('deps.json', 'x')
    await until(() => loops.length === 1)
    expect(installed).toEqual(['npm ci with .rc,deps.json,deps.lock'])
    expect(contents(orders[0]!)).toEqual({ '/app/deps.json': hashText('x'), '/app/m/new': hashText('new'), '/app/m/old': '' })
    expect(loops[0]).toMatchObject({ action: 'install', outcome: 'served', remarks: [expect.stringContaining('stale')] })
    expect(loops[0]!.spans.map(({ name }) => name)).toContain('installed')
    expect(reloader.isImageStale).toBe(true)
    reloader.rebase(reloader.survey())
    expect(reloader.isImageStale).toBe(false)
  })

  it('that cannot be installed changes nothing; what was saved with it comes with the save that mends it', async () => {
    const installBeside = async () => {
      if (loops.length === 0) throw new ShivError('no', { code: 'RELOAD_INSTALL_FAILED' })
    }
    reloader = makeWithRule({ installBeside })
    await open()
    made('new', 'new')
    write('a.js', 'saved with it')
    write('deps.json', 'x')
    options!.onBatch({ seenAt: now(), paths: ['deps.json', 'a.js'], isComplete: true })
    await until(() => loops.length === 1)
    expect(loops[0]).toMatchObject({ outcome: 'failed', error: { code: 'RELOAD_INSTALL_FAILED' } })
    expect([orders, reloader.isImageStale, reloader.isCurrent]).toEqual([[], false, false])
    save('deps.lock', 'x')
    await until(() => loops.length === 2)
    expect(Object.keys(contents(orders[0]!)).sort()).toEqual([
      '/app/a.js',
      '/app/deps.json',
      '/app/deps.lock',
      '/app/m/new',
      '/app/m/old',
    ])
  })

  it('is not told as failed while the other file that goes with it is being written', async () => {
    let turns = 0
    const installBeside = async () => {
      turns += 1
      if (turns > 1) return
      save('deps.lock', 'x')
      throw new ShivError('they do not fit', { code: 'RELOAD_INSTALL_FAILED' })
    }
    reloader = makeWithRule({ installBeside })
    await open()
    made('new', 'new')
    save('deps.json', 'x')
    await until(() => loops.length === 1)
    expect(loops[0]).toMatchObject({ outcome: 'served', files: ['deps.json', 'deps.lock'] })
  })

  it('is with the next daemon too; and installed again where what was made is lost', async () => {
    reloader = makeWithRule()
    await open()
    made('new', 'new')
    save('deps.json', 'x')
    await until(() => loops.length === 1 && kept?.installed?.length === 1)
    await reloader.close()
    const { mark } = kept!
    const recalled = async () => {
      const next = makeWithRule()
      next.survey()
      await next.recall(kept!)
      reloader = next
      await next.resume()
      return next
    }
    const next = await recalled()
    expect(next.isImageStale).toBe(true)
    await until(() => loops.length === 2)
    expect(orders.at(-1)!.mark).toBe(mark)
    expect(installed).toHaveLength(1)
    await next.close()
    rmSync(join(root, 'ignored', 'made'), { recursive: true })
    await recalled()
    await until(() => installed.length === 2)
  })
})

it('a file that no rule matches is kept out, with the reason', async () => {
  reloader = make({}, { 'a.js': verdict('unmatched', 'no rule matches') })
  await open()
  save('a.js', 'two')
  await until(() => loops.length === 1)
  expect(loops[0]).toMatchObject({ action: 'none', outcome: 'kept', remarks: ['a.js: no rule matches'] })
  expect(orders).toEqual([])
})
