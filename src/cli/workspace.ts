import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { inputError } from './parse.ts'

/** Where a command works: a folder inside the workspace, and the services meant; none means all. */
export interface Place {
  path: string
  services: string[]
}

/** The folder of the workspace that holds `folder`: of the nearest shiv.yaml upward, else `folder` itself when it has a service.yaml. */
export function findWorkspace(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'shiv.yaml'))) return at
    if (at === dirname(at)) break
  }
  return existsSync(join(folder, 'service.yaml')) ? folder : undefined
}

/**
 * Reads words of the user as paths or service names: what exists on disk and belongs to a workspace is a path, the rest are
 * names of services of the workspace here. Whether a service of that name exists is for the daemon to say.
 * Throws CLI_UNKNOWN_TARGET for what can be neither, CLI_TWO_WORKSPACES when paths lead to different ones.
 */
export function resolvePlace(words: string[], cwd: string): Place {
  const here = findWorkspace(cwd)
  let workspace: string | undefined
  let only: string | undefined
  const services: string[] = []
  let whole = words.length === 0
  for (const word of words) {
    const folder = folderOf(resolve(cwd, word))
    const found = folder && findWorkspace(folder)
    if (!folder || !found || (isPlainName(word) && here && !holdsDefinition(folder))) {
      if (!isPlainName(word) || !here) throw unknownTarget(word, folder, here)
      services.push(word)
      workspace ??= here
      continue
    }
    if (workspace !== undefined && workspace !== found) {
      throw inputError(
        'CLI_TWO_WORKSPACES',
        `${word} belongs to the workspace ${found}, what came before it to ${workspace}.`,
        'name one workspace at a time',
      )
    }
    workspace = found
    if (words.length === 1) only = folder
    const name = serviceNameIn(folder)
    if (name === undefined) whole = true
    else services.push(name)
  }
  // One folder goes as it is, so that faults about it can name it; several meet at their workspace.
  return { path: only ?? workspace ?? cwd, services: whole ? [] : [...new Set(services)] }
}

/** A folder, or the folder of a service.yaml or shiv.yaml. */
function folderOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) return path
  return stat?.isFile() && /(^|[\\/])(service|shiv)\.yaml$/.test(path) ? dirname(path) : undefined
}

function isPlainName(word: string): boolean {
  return /^[A-Za-z0-9][\w-]*$/.test(word)
}

function holdsDefinition(folder: string): boolean {
  return existsSync(join(folder, 'service.yaml')) || existsSync(join(folder, 'shiv.yaml'))
}

/**
 * The service that a folder stands for, or undefined when it stands for a whole workspace. Only the top-level `name` is looked at;
 * a file that is wrong in any way leads to the daemon, which reports every fault of it.
 */
function serviceNameIn(folder: string): string | undefined {
  if (existsSync(join(folder, 'shiv.yaml')) || !existsSync(join(folder, 'service.yaml'))) return undefined
  const text = readFileSync(join(folder, 'service.yaml'), 'utf8')
  return /^name:[ \t]*(["']?)([a-z0-9-]+)\1[ \t]*(#.*)?$/m.exec(text)?.[2]
}

function unknownTarget(word: string, folder: string | undefined, here: string | undefined): Error {
  if (folder) {
    return inputError(
      'CLI_UNKNOWN_TARGET',
      `${word} is a folder, but neither it nor a folder above it is a workspace: no service.yaml, no shiv.yaml.`,
      `shiv init ${word}`,
    )
  }
  if (here)
    return inputError(
      'CLI_UNKNOWN_TARGET',
      `There is no folder ${word}, and a service cannot have that name.`,
      'name a folder with a service.yaml, or a service of the workspace',
    )
  return inputError(
    'CLI_UNKNOWN_TARGET',
    `${word} is neither a folder nor a service: nothing of that name is here, and this folder is no workspace.`,
    'name the folder that holds its service.yaml, or go to the workspace first',
  )
}
