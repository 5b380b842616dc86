import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const NODE_PRESET = 'dist/server.js'
const NODE_FILES = ['server.js', 'index.js', 'app.js', 'server.mjs', 'index.mjs', 'src/server.js', 'src/index.js']
const PYTHON_PRESET = 'main.py'
const PYTHON_FILES = ['app.py', 'server.py', 'src/main.py']

/** What starts the service in `folder`, such as `['node', 'server.js']`; undefined where its preset starts that already, or nothing tells. */
export function entryCommand(folder: string, language: string | undefined): string[] | undefined {
  if (language === 'node') return nodeEntry(folder)
  if (language === 'python') return pythonEntry(folder)
  return undefined
}

function nodeEntry(folder: string): string[] | undefined {
  const { main, scripts } = readPackage(join(folder, 'package.json'))
  // Only `node FILE` of plain words: anything more needs the shell that npm would give it.
  const started = /^node ((?:\.\/)?[\w@/.-]+)$/.exec(typeof scripts?.start === 'string' ? scripts.start.trim() : '')?.[1]
  const named = started ?? (typeof main === 'string' && isBuiltOrThere(folder, main, scripts) ? main : undefined)
  const file = (named ?? (scripts?.build === undefined ? firstOf(folder, NODE_FILES) : undefined))?.replace(/^\.\//, '')
  return file === undefined || file === NODE_PRESET ? undefined : ['node', file]
}

function pythonEntry(folder: string): string[] | undefined {
  if (existsSync(join(folder, PYTHON_PRESET))) return undefined
  const file = firstOf(folder, PYTHON_FILES)
  return file === undefined ? undefined : ['python', file]
}

/** `npm init` writes a main that may never have been there; what a build makes is not there yet. */
function isBuiltOrThere(folder: string, main: string, scripts: Package['scripts']): boolean {
  return existsSync(join(folder, main)) || (scripts?.build !== undefined && /^(\.\/)?(dist|build|lib)\//.test(main))
}

function firstOf(folder: string, files: string[]): string | undefined {
  return files.find((file) => existsSync(join(folder, file)))
}

interface Package {
  main?: unknown
  scripts?: { start?: unknown; build?: unknown } | undefined
}

/** An unreadable package.json tells nothing here; npm will say what is wrong with it. */
function readPackage(path: string): Package {
  try {
    const read: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof read === 'object' && read !== null ? read : {}
  } catch {
    return {}
  }
}
