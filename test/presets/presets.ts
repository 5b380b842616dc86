import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { parse } from 'yaml'

/** A preset as written, not as parsed: these tests are about the files themselves. */
export type Written = Record<string, any>

const root = fileURLToPath(new URL('../../presets', import.meta.url))
export const fixtures = fileURLToPath(new URL('fixtures', import.meta.url))

export function readPreset(kind: 'languages' | 'databases', name: string): Written {
  return parse(readFileSync(join(root, kind, `${name}.yaml`), 'utf8'))
}

/** The preset with the first variant whose file is in `folder` laid over it. */
export function chooseVariant(preset: Written, folder: string, service: string): Written {
  const variant = preset['variants'].find((v: Written) =>
    existsSync(join(folder, fill(v['when'].file, { 'service.name': service }))),
  )
  return variant ? merge(preset, variant) : preset
}

function merge(base: Written, over: Written): Written {
  const result = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const isMap = value !== null && typeof value === 'object' && !Array.isArray(value)
    result[key] = isMap && typeof base[key] === 'object' ? merge(base[key], value) : value
  }
  return result
}

/** Replaces `${name}` for the names given and leaves everything else. */
export function fill(text: string, values: Record<string, string>): string {
  return text.replace(/\$\{([\w.]+)\}/g, (whole, name: string) => values[name] ?? whole)
}

export async function docker(...args: string[]) {
  return execa('docker', args, { reject: false, all: true, env: { DOCKER_BUILDKIT: '1' }, stdin: 'ignore' })
}

/** Why a container test cannot run here, or undefined when it can. */
export async function dockerMissing(): Promise<string | undefined> {
  const { exitCode } = await docker('info')
  return exitCode === 0 ? undefined : 'Docker does not answer'
}

/** Builds a folder by a Dockerfile's text; throws with the output when the build fails. */
export async function buildImage(tag: string, context: string, dockerfile: string, ignore: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-preset-'))
  try {
    const file = join(folder, 'Dockerfile')
    writeFileSync(file, dockerfile)
    writeFileSync(`${file}.dockerignore`, ignore.join('\n'))
    const built = await docker('build', '--progress=plain', '-t', tag, '-f', file, context)
    if (built.exitCode !== 0) throw new Error(built.all)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Starts a container the way production's restricted policy does and returns its id. */
export async function runRestricted(image: string, user: number, options: string[], command: string[] = []): Promise<string> {
  const locked = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', `--user=${user}:${user}`]
  const run = await docker('run', '-d', ...locked, ...options, image, ...command)
  if (run.exitCode !== 0) throw new Error(run.all)
  return run.stdout.trim()
}

export async function hostPort(container: string, port: number): Promise<number> {
  const { stdout } = await docker('port', container, `${port}/tcp`)
  return Number(stdout.split('\n')[0]!.split(':').pop())
}

/** Calls `attempt` until it returns something; throws with the container's log when it has ended or 60 s have passed. */
export async function waitFor<T>(container: string, attempt: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 60_000
  while (true) {
    const result = await attempt().catch(() => undefined)
    if (result !== undefined) return result
    const { stdout } = await docker('inspect', '--format', '{{.State.Running}}', container)
    if (stdout !== 'true' || Date.now() > deadline) throw new Error((await docker('logs', container)).all)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
