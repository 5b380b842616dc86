import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { ServicePlan } from '../../plan/types.ts'
import { findOnPath } from '../database/find-program.ts'
import { fillTemplate } from './templates.ts'

const HOST = '127.0.0.1'

/**
 * Opens the inspector in the service's own process and takes itself out of the environment, so that neither the package manager
 * in front of it nor a child behind it fights for the port.
 */
const PRELOAD = `'use strict'
const launchers = /[\\\\/](npm|npx|yarn|pnpm|corepack)(-cli)?(\\.c?js)?$|[\\\\/](npm|corepack|yarn|pnpm)[\\\\/](bin|dist|lib|releases)[\\\\/]/
const port = Number(process.env.SHIV_INSPECT_PORT)
if (port && !launchers.test(process.argv[1] ?? '')) {
  const own = process.env.SHIV_INSPECT_OPTION ?? ''
  process.env.NODE_OPTIONS = (process.env.NODE_OPTIONS ?? '').replace(own, '').trim()
  if (process.env.NODE_OPTIONS === '') delete process.env.NODE_OPTIONS
  delete process.env.SHIV_INSPECT_PORT
  delete process.env.SHIV_INSPECT_OPTION
  require('node:inspector').open(port, '${HOST}')
}
`

export interface DebugLaunch {
  argv: string[]
  env: Record<string, string>
  debug?: { protocol: string; host: string; port: number }
  /** The port is set, and opened by SIGUSR1. */
  opensLate?: boolean
}

/** The command with its debugger switched on; unchanged where the preset has none or its tool is missing here. */
export function withDebugger(
  service: ServicePlan,
  argv: string[],
  options: {
    port: number
    runDir: string
    path: string | undefined
    out: string
    environment: Record<string, string>
    late: boolean
  },
): DebugLaunch {
  const preset = service.language.debug
  if (preset === undefined) return { argv, env: {} }
  if (preset.needs !== undefined && findOnPath(preset.needs.tool, options.path) === undefined) return { argv, env: {} }
  const { port } = options
  const debug = { protocol: preset.protocol, host: HOST, port }
  const values = { 'debug.port': String(port), 'debug.host': HOST, out: options.out, 'service.name': service.name }
  const fill = (text: string) => fillTemplate(text, values, `debug of the preset ${service.language.name}`)
  if (preset.command !== undefined) {
    const command = preset.command.flatMap((word) => (word === '${command}' ? argv : [fill(word)]))
    return { argv: command, env: fillAll(preset.env, fill), debug }
  }
  if (preset.protocol !== 'node-inspector') return { argv, env: fillAll(preset.env, fill), debug }
  const [program = '', ...rest] = argv
  // An option of the command line stays with this process; one of NODE_OPTIONS goes to every child.
  if (basename(program) === 'node' && options.late)
    return { argv: [program, `--inspect-port=${HOST}:${port}`, ...rest], env: {}, debug, opensLate: true }
  if (basename(program) === 'node') return { argv: [program, `--inspect=${HOST}:${port}`, ...rest], env: {}, debug }
  return { argv, env: preloadEnvironment(options.runDir, port, options.environment['NODE_OPTIONS']), debug }
}

function preloadEnvironment(runDir: string, port: number, before: string | undefined): Record<string, string> {
  const file = join(runDir, 'inspect.cjs')
  writeFileSync(file, PRELOAD, { mode: 0o600 })
  const option = `--require ${JSON.stringify(file)}`
  return { NODE_OPTIONS: [before ?? '', option].join(' ').trim(), SHIV_INSPECT_PORT: String(port), SHIV_INSPECT_OPTION: option }
}

function fillAll(env: Record<string, string> | undefined, fill: (text: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, fill(value)]))
}
