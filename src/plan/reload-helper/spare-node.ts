import { script } from './script.ts'

/**
 * Preloaded by a second `node` (`--require`), which has started up to the service's own code and waits for its turn.
 *
 * - `SHIV_SPARE_FIFO`: a FIFO. One line `go` begins the program; `go {"env":{…},"cwd":"…"}` sets variables first (null takes one away).
 *   The end of the FIFO without a line ends the process. Whoever spawns it holds the FIFO open for reading and writing, so that nobody blocks.
 * - `SHIV_SPARE_PRELOAD`: installed modules to load while it waits, their names with spaces between.
 * - `SHIV_SPARE_LEARNED`: a file of ours. What those modules load only when they are used is noted there a second after `go`, and preloaded by the next spare.
 * - `SHIV_SPARE_OPTIONS`: NODE_OPTIONS as the program shall see them; `--inspect` in it is opened at `go`, when its port is free.
 * - `SHIV_SPARE_INSPECT`: an `--inspect…` word that the command line had, likewise.
 * - `SHIV_SPARE_CWD`: where the program runs. The process itself is started in a folder of ours with the program's absolute path, because
 *   node reads (and keeps) the package.json of its folder before any preload.
 */
export const SPARE_NODE = script`
'use strict'
const fifo = process.env.SHIV_SPARE_FIFO
if (fifo !== undefined && require('node:worker_threads').isMainThread) waitForTurn(fifo)

function waitForTurn(fifo) {
  const fs = require('node:fs')
  const { SHIV_SPARE_OPTIONS: options = '', SHIV_SPARE_INSPECT: inspect = '', SHIV_SPARE_CWD: cwd } = process.env
  const { SHIV_SPARE_PRELOAD: names = '', SHIV_SPARE_LEARNED: learned } = process.env
  const score = offerToTheKiller(fs)
  for (const name of ['node:http', 'node:net', 'node:stream', 'node:url', 'node:fs/promises', 'node:timers/promises']) require(name)
  const roots = preload(fs, names.split(' ').filter(Boolean), learned, cwd ?? process.cwd())
  const order = readLine(fs, fifo)
  if (order === undefined) process.exit(0)

  for (const name of Object.keys(process.env)) if (name.startsWith('SHIV_SPARE_')) delete process.env[name]
  if (options === '') delete process.env.NODE_OPTIONS
  else process.env.NODE_OPTIONS = options
  if (cwd !== undefined) process.chdir(cwd)
  obey(order)
  if (score !== undefined) write(fs, '/proc/self/oom_score_adj', score)
  openInspector(options.split(' ').concat(inspect))
  if (learned !== undefined && roots.length > 0) setTimeout(() => write(fs, learned, filesBelow(roots).join('\n')), 1000).unref()
}

// A spare is the first to go when memory is short; as the service it is worth what the service was.
function offerToTheKiller(fs) {
  try {
    const before = fs.readFileSync('/proc/self/oom_score_adj', 'utf8').trim()
    return write(fs, '/proc/self/oom_score_adj', '1000') ? before : undefined
  } catch {
    return undefined // no such file on this system
  }
}

function write(fs, file, text) {
  try {
    fs.writeFileSync(file, text)
    return true
  } catch {
    return false // the system does not let us, and goes on as it was
  }
}

// Found from node_modules, so that the service's own package.json, which may be saved meanwhile, is not read.
function preload(fs, names, learned, cwd) {
  if (names.length === 0) return []
  const load = require('node:module').createRequire(require('node:path').join(cwd, 'node_modules', 'spare.cjs'))
  const { emitWarning } = process
  process.emitWarning = () => {} // that this node can require an ES module is no news for the service's log
  const roots = []
  for (const name of names) {
    try {
      load(name)
      roots.push(load.resolve(name))
    } catch (error) {
      console.error('shiv: ' + name + ' cannot be preloaded: ' + String(error.message).split('\n')[0])
    }
  }
  for (const file of linesOf(fs, learned)) {
    try {
      load(file)
    } catch {
      continue // it was learned from modules that are no longer installed so
    }
  }
  process.emitWarning = emitWarning
  return roots
}

function linesOf(fs, file) {
  try {
    return file === undefined ? [] : fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return [] // nothing was learned yet
  }
}

// Of what was installed, in the order in which it was loaded.
function filesBelow(roots) {
  const seen = new Set()
  const visit = (module) => {
    if (module === undefined || seen.has(module.id) || !module.id.includes('/node_modules/')) return
    seen.add(module.id)
    for (const child of module.children) visit(child)
  }
  for (const root of roots) visit(require.cache[root])
  return Object.keys(require.cache).filter((file) => seen.has(file))
}

function readLine(fs, fifo) {
  const descriptor = fs.openSync(fifo, 'r')
  const byte = Buffer.alloc(1)
  const bytes = []
  try {
    while (fs.readSync(descriptor, byte, 0, 1) === 1) {
      if (byte[0] === 10) return Buffer.from(bytes).toString('utf8')
      bytes.push(byte[0])
    }
    return undefined
  } finally {
    fs.closeSync(descriptor)
  }
}

function obey(order) {
  const text = order.replace(/^go */, '')
  if (text === '') return
  const { env = {}, cwd } = JSON.parse(text)
  for (const [name, value] of Object.entries(env)) {
    if (value === null) delete process.env[name]
    else process.env[name] = value
  }
  if (cwd !== undefined) process.chdir(cwd)
}

function openInspector(words) {
  const word = words.findLast((word) => /^--inspect(=|$)/.test(word))
  if (word === undefined) return
  const address = word.slice('--inspect='.length)
  const colon = address.lastIndexOf(':')
  const isPort = /^[0-9]+$/.test(address)
  const port = isPort ? Number(address) : colon >= 0 ? Number(address.slice(colon + 1)) : 9229
  const host = isPort ? '127.0.0.1' : (colon >= 0 ? address.slice(0, colon) : address) || '127.0.0.1'
  require('node:inspector').open(port, host.replace(/^\[|\]$/g, ''))
}
`
