import { ShivError } from '../../core/errors.ts'
import { connectEngine } from './engine.ts'

export type DockerProbe =
  | { available: true; version: string; memoryBytes: number; architecture: string; cpus: number; system: string }
  | { available: false; code: string; reason: string; hint: string }

/** Whether a Docker engine answers, and what it is. Never throws; at most 2 s. */
export async function probeDocker(environment: NodeJS.ProcessEnv = process.env): Promise<DockerProbe> {
  try {
    const engine = await connectEngine(environment)
    const info = await engine.json<{
      ServerVersion: string
      MemTotal: number
      Architecture: string
      NCPU: number
      OperatingSystem: string
    }>('GET', '/info', { timeoutMs: 2_000 })
    return {
      available: true,
      version: info.ServerVersion,
      memoryBytes: info.MemTotal,
      architecture: info.Architecture,
      cpus: info.NCPU,
      system: info.OperatingSystem,
    }
  } catch (error) {
    if (error instanceof ShivError) {
      return { available: false, code: error.code, reason: error.message, hint: error.hint ?? '' }
    }
    return { available: false, code: 'DOCKER_UNAVAILABLE', reason: String(error), hint: 'docker info' }
  }
}
