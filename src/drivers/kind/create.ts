import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { ShivError } from '../../core/errors.ts'
import { identifyProcess, type ProcessIdentity } from '../../core/process-identity.ts'
import type { ClusterHome } from './home.ts'

/** A `kind create cluster` at work. */
export interface Creation {
  creator: ProcessIdentity | undefined
  /** Settles when kind has ended; rejects with KIND_CREATE_FAILED and kind's last lines, or what is more exact. */
  done: Promise<void>
}

/**
 * Starts `kind create cluster` as a process of its own that outlives this one: a creation that is cut off half-way is lost, one that
 * goes on is what the next start finds. Its output goes to a file.
 */
export async function startCreation(
  name: string,
  config: string,
  home: ClusterHome,
  options: { environment: NodeJS.ProcessEnv; imageOnHost: boolean; image: string },
): Promise<Creation> {
  await writeFile(home.config, config, { mode: 0o600 })
  await rm(home.completed, { force: true })
  const output = openSync(home.log, 'w', 0o600)
  const child = spawn('kind', ['create', 'cluster', '--name', name, '--config', home.config, '--kubeconfig', home.completed], {
    env: { ...options.environment, KIND_EXPERIMENTAL_PROVIDER: 'docker' },
    stdio: ['ignore', output, output],
    detached: true,
  })
  closeSync(output)
  try {
    await once(child, 'spawn')
  } catch (error) {
    throw kindMissing(error)
  }
  child.unref()
  const closed = once(child, 'close') as Promise<[code: number | null]>
  const end = async (): Promise<void> => {
    const [code] = await closed
    if (code !== 0) throw await creationError(name, home, options)
  }
  return { creator: child.pid === undefined ? undefined : identifyProcess(child.pid), done: end() }
}

/** What kind is doing, in its words; undefined before its first. */
export async function creationProgress(home: ClusterHome): Promise<string | undefined> {
  const text = await readFile(home.log, 'utf8').catch(() => '') // not written yet
  const line = text.trimEnd().split('\n').at(-1) ?? ''
  const words = line
    .replace(/[^\x20-\x7E]/g, '')
    .replace(/\.\.\.\s*$/, '')
    .trim()
  return words === '' ? undefined : words
}

/** `kind` is not on PATH; says how to install it. */
export function kindMissing(cause: unknown): ShivError {
  const hint =
    process.platform === 'darwin'
      ? 'brew install kind'
      : `curl -Lo kind https://kind.sigs.k8s.io/dl/latest/kind-linux-${process.arch === 'arm64' ? 'arm64' : 'amd64'} && sudo install kind /usr/local/bin/kind`
  return new ShivError('kind is not on PATH; it makes the local cluster.', { code: 'KIND_MISSING', exit: 3, hint, cause })
}

async function creationError(
  name: string,
  home: ClusterHome,
  options: { imageOnHost: boolean; image: string },
): Promise<ShivError> {
  const text = await readFile(home.log, 'utf8').catch(() => '') // kind said nothing
  const evidence = text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .slice(-8)
  if (/no space left on device/i.test(text)) {
    return new ShivError(`The disk is full: the cluster ${name} cannot be made.`, {
      code: 'DOCKER_DISK_FULL',
      exit: 3,
      hint: 'make room, for example with: docker builder prune --force && docker image prune --force',
      evidence,
    })
  }
  if (!options.imageOnHost && /failed to pull image/i.test(text)) {
    return new ShivError(`The node image ${options.image} is not on this machine and cannot be pulled.`, {
      code: 'KIND_NODE_IMAGE_MISSING',
      exit: 3,
      hint: `connect to the network, or name an image that is here: export SHIV_KIND_NODE_IMAGE=$(docker images -q kindest/node | head -n 1)`,
      evidence,
    })
  }
  return new ShivError(`kind could not make the cluster ${name}.`, {
    code: 'KIND_CREATE_FAILED',
    hint: `its whole output is in ${home.log}`,
    evidence,
  })
}
