import { statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { ProcessSpec } from './process-spec.ts'

/** What a spare is, and what it loads while it waits. */
export interface SpareWish {
  interpreter: 'node' | 'python'
  /** Installed modules, by name. */
  preload?: string[]
}

/** How a spare is started: the same interpreter with a program of ours in front of the service's. */
export interface SpareCommand {
  /** Where it is started. */
  folder: string
  argv: string[]
  env: Record<string, string>
  /** Another command, or other installed modules, want another spare. */
  key: string
}

/** The commands of interest of a spec. */
type Program = Pick<ProcessSpec, 'argv' | 'cwd' | 'env'>

/** Options of `node` that change nothing of what runs before the program, so that a spare may have them. */
const HARMLESS_NODE =
  /^--(max-old-space-size|inspect|inspect-port|enable-source-maps|no-warnings|trace-warnings|trace-uncaught)(=|$)/
/** Likewise of `python`. */
const HARMLESS_PYTHON = /^-([BEIOPsSubqd]|OO|[WX].+)$/
/** What package managers write whenever they have installed something. */
const INSTALLED = [
  'node_modules/.package-lock.json',
  'node_modules/.modules.yaml',
  'node_modules/.yarn-state.yml',
  'node_modules/.yarn-integrity',
  '.venv/pyvenv.cfg',
]

/**
 * The command of a spare; undefined for a program of which something would be read before its turn. `script` is the path of our program, `empty` a folder without a
 * package.json, which node would read, and keep, before any preload.
 */
export function spareCommand(program: Program, wish: SpareWish, script: string, empty: string): SpareCommand | undefined {
  return wish.interpreter === 'node' ? nodeCommand(program, wish, script, empty) : pythonCommand(program, wish, script)
}

function nodeCommand(
  { argv, cwd, env }: Program,
  { preload = [] }: SpareWish,
  script: string,
  empty: string,
): SpareCommand | undefined {
  const [node = '', ...words] = argv
  const start = words.findIndex((word) => !word.startsWith('-'))
  const before = words.slice(0, start)
  const own = (env['NODE_OPTIONS'] ?? '').split(/\s+/).filter((word) => word !== '')
  if (basename(node) !== 'node' || start < 0 || ![...before, ...own].every((word) => HARMLESS_NODE.test(word))) return undefined
  const inspect = before.find((word) => /^--inspect(=|$)/.test(word))
  const options = before.filter((word) => word !== inspect)
  const file = [resolve(cwd, words[start]!), ...words.slice(start + 1)]
  return {
    folder: empty,
    argv: [node, '--require', script, ...options, ...file],
    env: {
      SHIV_SPARE_CWD: cwd,
      SHIV_SPARE_PRELOAD: preload.join(' '),
      ...(env['NODE_OPTIONS'] !== undefined && { SHIV_SPARE_OPTIONS: env['NODE_OPTIONS'] }),
      ...(inspect !== undefined && { SHIV_SPARE_INSPECT: inspect }),
    },
    key: JSON.stringify([cwd, options, file, preload, preload.length > 0 && installedIn(cwd)]),
  }
}

function pythonCommand({ argv, cwd }: Program, { preload = [] }: SpareWish, script: string): SpareCommand | undefined {
  const [python = '', ...words] = argv
  const start = words.findIndex((word) => word === '-m' || !word.startsWith('-'))
  if (
    !/^python(3(\.\d+)?)?$/.test(basename(python)) ||
    start < 0 ||
    !words.slice(0, start).every((word) => HARMLESS_PYTHON.test(word))
  ) {
    return undefined
  }
  return {
    folder: cwd,
    argv: [python, ...words.slice(0, start), script, ...words.slice(start)],
    env: { SHIV_SPARE_PRELOAD: preload.join(' ') },
    key: JSON.stringify([cwd, argv, preload, installedIn(cwd)]),
  }
}

/** When something was last installed for a service; what a spare loaded before that is not what the service would load. */
function installedIn(cwd: string): number[] {
  return INSTALLED.map((name) => statSync(join(cwd, name), { throwIfNoEntry: false })?.mtimeMs ?? 0)
}
