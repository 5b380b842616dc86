import { isAbsolute, join } from 'node:path'
import { harmless } from '../../core/harmless.ts'
import { ShivError } from '../../core/errors.ts'
import type { ServicePlan } from '../../plan/types.ts'
import type { BuildRule } from './rule-types.ts'

/** Runs a command of this machine to its end, without a shell. Resolves also when it fails; `lines` are the last that it wrote, `onLine` hears each. */
export type HostCommand = (
  argv: string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal; onLine?: (text: string) => void },
) => Promise<{ code: number; lines: string[] }>

/** A build in a container that is kept for the next one. */
export interface ContainerBuild {
  argv: string[]
  /** A tool image, for example `golang:1.26`. */
  image: string
  /** In the container at its own path, read-only. */
  workspace: string
  /** Folder for artefacts, in the container at its own path. */
  out: string
  /** A folder of this machine that is somewhere else in the container. */
  mounted?: { from: string; to: string }
  cwd: string
  env: Record<string, string>
  /** Of the caller, for DOCKER_HOST and the like; nothing of it reaches the container. */
  environment: NodeJS.ProcessEnv
  signal: AbortSignal
}

/** Where builds run whose program is not on this machine. */
export interface BuildContainers {
  /** As HostCommand. Throws DOCKER_UNAVAILABLE, and DOCKER_PULL_FAILED where the image cannot be had. */
  run(build: ContainerBuild): Promise<{ code: number; lines: string[] }>
  /** Removes what was kept for a workspace. */
  end(workspace: string, environment: NodeJS.ProcessEnv): Promise<void>
}

const GO_ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64' }

/** The caller's own, with the tools of the service's folder first. */
export function serviceEnvironment(environment: NodeJS.ProcessEnv, service: ServicePlan): NodeJS.ProcessEnv {
  const own = (service.language.process.path ?? [])
    .filter((folder) => !folder.includes('${'))
    .map((folder) => join(service.root, folder))
  return { ...environment, PATH: [...own, environment['PATH'] ?? ''].join(':') }
}

/** With what the rule sets; a build for Linux is for a node of this machine's kind. */
export function buildEnvironment(environment: NodeJS.ProcessEnv, service: ServicePlan, rule: BuildRule): NodeJS.ProcessEnv {
  return { ...serviceEnvironment(environment, service), ...targetEnvironment(rule) }
}

/** What the rule sets, and which processor its program is for. */
export function targetEnvironment(rule: BuildRule): Record<string, string> {
  const architecture = rule.env?.['GOOS'] && GO_ARCHITECTURES[process.arch]
  return { ...(architecture && { GOARCH: architecture }), ...rule.env }
}

/** No such program on this machine. */
export function isToolMissing({ code, lines }: { code: number; lines: string[] }): boolean {
  return code === 127 && lines.length === 0
}

/** Absolute path of what a build rule makes. */
export function artefactOf(service: ServicePlan, rule: BuildRule, out: string): string {
  const from = rule.sync.from.replaceAll('${out}', out).replaceAll('${service.name}', service.name)
  return isAbsolute(from) ? from : join(service.root, from)
}

/** `main.go:12:5`, `src/price.ts(3,7)`: where a compiler points. */
const PLACES = [/^\s*(?:\.\/)?([\w@./-]+\.\w+):(\d+)(?::(\d+))?/, /^\s*(?:\.\/)?([\w@./-]+\.\w+)\((\d+),(\d+)\)/]

/** A build that failed, with the compiler's own places first. */
export function buildFailed(service: ServicePlan, argv: string[], result: { code: number; lines: string[] }): ShivError {
  if (isToolMissing(result)) return toolMissing(service, argv[0] ?? '')
  const lines = result.lines.map((line) => harmless(line)).filter((line) => line.trim() !== '')
  const place = lines.map(placeOf).find((found) => found !== undefined)
  const where = place ? ` at ${place}` : ''
  return new ShivError(`${service.name} does not build${where}; the version before goes on serving.`, {
    code: 'RELOAD_BUILD_FAILED',
    evidence: lines.slice(-20),
    hint: `mend it and save, or see it whole: cd ${service.root} && ${argv.join(' ')}`,
  })
}

/** An install that failed, with its last lines. `whole`: a command that shows more; by default the install itself. */
export function installFailed(
  service: ServicePlan,
  argv: string[],
  result: { code: number; lines: string[] },
  whole = `cd ${service.root} && ${argv.join(' ')}`,
): ShivError {
  const said = isToolMissing(result) ? [`${argv[0]} is not on PATH`] : result.lines
  const lines = said.map((line) => harmless(line)).filter((line) => line.trim() !== '')
  return new ShivError(`What ${service.name} depends on could not be installed; the version before goes on serving.`, {
    code: 'RELOAD_INSTALL_FAILED',
    evidence: lines.slice(-20),
    hint: `mend it and save, or see it whole: ${whole}`,
  })
}

/** What was installed cannot be compared with what the containers have. */
export function nobodyToAsk(service: ServicePlan, folder: string): ShivError {
  return new ShivError(`What ${service.name} depends on is not brought: no replica can say what it has in ${folder}.`, {
    code: 'RELOAD_INSTALL_FAILED',
    hint: `shiv status tells what its replicas lack; the next save tries again`,
  })
}

function toolMissing(service: ServicePlan, tool: string): ShivError {
  return new ShivError(
    `${service.name} is built by \`${tool}\` on this machine, which is not on PATH; the version before goes on serving.`,
    {
      code: 'RELOAD_TOOL_MISSING',
      exit: 3,
      hint: `install ${tool}, or have an image built for each save: reload: { rules: [{ files: ["**/*"], do: image }] } in ${service.name}'s service.yaml`,
    },
  )
}

function placeOf(line: string): string | undefined {
  for (const pattern of PLACES) {
    const match = pattern.exec(line)
    if (match) return match.slice(1).filter(Boolean).join(':')
  }
  return undefined
}
