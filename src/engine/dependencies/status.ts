import type { RemoteEnvironment } from '../../plan/remote.ts'
import type { DependencyHealth } from '../dependency-ports.ts'
import type { DependencyStatus } from '../results.ts'
import { environmentOf } from './guard.ts'
import type { Held } from './run-dependencies.ts'
import { faultsOf, modeOf, type Override } from './setting.ts'

const UNKNOWN: DependencyHealth = { state: 'unknown', requests: 0, refused: 0, failed: 0, openConnections: 0 }

/** A dependency as people and programs are told of it. */
export function statusOf(held: Held, environments: RemoteEnvironment[], override: Override | undefined): DependencyStatus {
  const { remote, setting, open, error } = held
  const mode = setting?.mode ?? modeOf(remote, override)
  const environment = environmentOf(remote, environments)
  const faults = setting === undefined ? faultsOf(remote, override) : setting.faults
  const usesRecording = mode === 'record' || mode === 'replay'
  return {
    name: remote.name,
    protocol: remote.protocol,
    mode,
    writtenMode: remote.mode,
    serves: servesOf(held),
    access: setting?.access ?? remote.access,
    ...(mode !== 'local' &&
      environment?.isProduction === true &&
      environment.allowProduction && { production: { environment: environment.name, why: environment.allowProduction.why } }),
    ...(faults && { faults }),
    areFaultsSwitched: override?.faults !== undefined,
    users: remote.users,
    ...(open && { port: open.port }),
    ...(usesRecording && { recording: remote.recording.file }),
    health: open?.health() ?? UNKNOWN,
    ...(error && { error }),
  }
}

function servesOf({ remote, setting, open }: Held): string {
  if (open === undefined || setting === undefined) return ''
  const recording = `recording ${remote.recording.file}`
  if (setting.mode !== 'replay') return setting.upstream?.label ?? ''
  return setting.upstream ? `${recording}, else ${setting.upstream.label}` : recording
}
