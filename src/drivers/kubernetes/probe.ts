import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Probe } from '../../engine/ports.ts'

const run = promisify(execFile)
const TIMEOUT_MS = 4500

/** Whether Docker answers and `kind` is there. Never throws. */
export async function probeMachine(): Promise<Probe> {
  const [docker, kind] = await Promise.allSettled([
    run('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: TIMEOUT_MS }),
    run('kind', ['version', '--quiet'], { timeout: TIMEOUT_MS }),
  ])
  if (docker.status === 'rejected') return dockerMissing(docker.reason as NodeJS.ErrnoException)
  if (kind.status === 'rejected') {
    return {
      available: false,
      code: 'KIND_MISSING',
      reason: 'kind, which makes the local cluster, is not installed.',
      hint: 'shiv doctor --fix installs it, or: go install sigs.k8s.io/kind@latest (brew install kind on macOS)',
    }
  }
  return { available: true, detail: `Docker ${docker.value.stdout.trim()}, kind ${kind.value.stdout.trim()}` }
}

function dockerMissing(error: NodeJS.ErrnoException): Probe {
  const isAbsent = error.code === 'ENOENT'
  return {
    available: false,
    code: isAbsent ? 'DOCKER_MISSING' : 'DOCKER_NOT_RUNNING',
    reason: isAbsent ? 'Docker is not installed.' : 'Docker is installed, but its engine does not answer.',
    hint: isAbsent
      ? 'Install Docker (https://docs.docker.com/get-docker/), or start without a cluster: shiv start --runtime process'
      : 'Start Docker (sudo systemctl start docker, or Docker Desktop), or start without a cluster: shiv start --runtime process',
  }
}
