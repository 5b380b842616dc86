import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { ShivError } from '../../core/errors.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import { findDockerfileLine, readBuildLog, type BuildFailure } from './build-log.ts'
import type { BuiltStep } from '../../engine/ports.ts'
import type { BuildInputs, BuildSource } from './inputs.ts'

export interface BuildOptions {
  service: string
  source: BuildSource
  inputs: BuildInputs
  reference: string
  labels: Record<string, string>
  home: string
  /** Without BuildKit's cache. */
  fresh: boolean
  signal: AbortSignal
  environment: NodeJS.ProcessEnv
  progress(text: string): void
}

/**
 * Builds an image with BuildKit. The Dockerfile and the ignore lines that were hashed are handed over as files of their own, so
 * the folder itself is sent, in which BuildKit knows what it already has. Returns its steps. Throws DOCKER_BUILD_FAILED, DOCKER_DISK_FULL, BUILDX_MISSING.
 */
export async function build(options: BuildOptions): Promise<BuiltStep[]> {
  const { inputs, source, signal } = options
  const folder = join(options.home, 'builds')
  makePrivateFolder(folder)
  const aside = await mkdtemp(join(folder, `${options.service}-`))
  try {
    const dockerfile = join(aside, 'Dockerfile')
    await writeFile(dockerfile, inputs.dockerfile, { mode: 0o600 })
    await writeFile(`${dockerfile}.dockerignore`, inputs.ignore.join('\n') + '\n', { mode: 0o600 })
    const labels = Object.entries(options.labels).flatMap(([name, value]) => ['--label', `${name}=${value}`])
    const args = Object.entries(source.args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])
    const target = source.target === undefined ? [] : ['--target', source.target]
    const began = performance.now()
    const log = readBuildLog(() => performance.now() - began)
    const child = execa(
      'docker',
      // No provenance: it would name the image by an index that changes with every build.
      ['buildx', 'build', '--load', '--progress=plain', '--provenance=false', '-f', dockerfile, '-t', options.reference]
        .concat(labels, args, target, options.fresh ? ['--no-cache'] : [])
        .concat(inputs.context),
      {
        env: { ...options.environment, DOCKER_BUILDKIT: '1', BUILDKIT_COLORS: '' },
        extendEnv: false,
        stdin: 'ignore',
        all: true,
        buffer: false,
        reject: false,
        cancelSignal: signal,
        forceKillAfterDelay: 2_000,
      },
    )
    const last: string[] = []
    for await (const line of child.iterable({ from: 'all' })) {
      const text = log.take(line)
      if (text !== undefined) options.progress(text)
      last.push(line)
      if (last.length > 20) last.shift()
    }
    const result = await child
    signal.throwIfAborted()
    if (result.exitCode !== 0) throw buildError(options, log.failure(), last, result.cause)
    return log.steps()
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

function buildError(options: BuildOptions, failure: BuildFailure, last: string[], cause: unknown): ShivError {
  const { service, source, inputs } = options
  if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    return new ShivError('The docker command is not on PATH.', {
      code: 'DOCKER_MISSING',
      exit: 3,
      hint: 'install it: https://docs.docker.com/engine/install (macOS: brew install --cask docker)',
      cause,
    })
  }
  const all = [...failure.output, failure.reason, ...last].join('\n')
  if (/no space left on device|disk quota exceeded/i.test(all)) {
    return new ShivError(`The disk is full: the image of ${service} cannot be built.`, {
      code: 'DOCKER_DISK_FULL',
      exit: 3,
      hint: 'make room, for example with: docker builder prune --force && docker image prune --force',
      evidence: failure.output.slice(-5),
    })
  }
  if (
    failure.step === undefined &&
    failure.reason === '' &&
    last.some((line) => /buildx.*(not a docker command|unknown)|unknown (shorthand )?flag/.test(line))
  ) {
    return new ShivError('Docker has no buildx, with which images are built.', {
      code: 'BUILDX_MISSING',
      exit: 3,
      hint: 'install it: https://docs.docker.com/go/buildx (Debian, Ubuntu: sudo apt install docker-buildx-plugin)',
      evidence: last.slice(-3),
    })
  }
  const line = failure.line ?? (failure.step === undefined ? undefined : findDockerfileLine(inputs.dockerfile, failure.step))
  const name = 'path' in source.dockerfile ? source.dockerfile.path : 'the Dockerfile of its preset'
  const place = line === undefined ? '' : ` (${name}:${line})`
  return new ShivError(
    failure.step === undefined
      ? `The image of ${service} cannot be built${place}: ${failure.reason || 'docker build failed'}`
      : `The image of ${service} cannot be built: this step failed${place}: ${failure.step}`,
    {
      code: 'DOCKER_BUILD_FAILED',
      hint: hintFor(failure),
      evidence:
        failure.step === undefined ? evidenceWithoutStep(inputs.dockerfile, line, last) : [...failure.output, failure.reason],
    },
  )
}

function evidenceWithoutStep(dockerfile: string, line: number | undefined, last: string[]): string[] {
  const text = line === undefined ? undefined : dockerfile.split('\n')[line - 1]
  return text === undefined ? last.slice(-5) : [text]
}

function hintFor(failure: BuildFailure): string {
  if (/no such host|i\/o timeout|connection refused|network is unreachable/.test(failure.reason)) {
    return 'the base image is not on this machine and its registry is not reached: check the network, or docker pull it first'
  }
  if (/failed to compute cache key|not found/.test(failure.reason)) {
    return 'the file is not in the build folder, or .dockerignore keeps it out'
  }
  return 'the lines above are the last that the step printed; correct it and start again'
}
