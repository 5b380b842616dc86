import type { Style } from '../../core/style.ts'
import type { RunStatus } from '../../wire/messages.ts'

export type ServiceStatus = RunStatus['services'][number]
export type ReplicaStatus = ServiceStatus['replicas'][number]
export type DatabaseStatus = RunStatus['databases'][number]

export function doneMark(style: Style): string {
  return style.green(style.glyph('✓', '+'))
}

export function failedMark(style: Style): string {
  return style.red(style.glyph('✗', 'x'))
}

export function runningMark(style: Style): string {
  return style.cyan(style.glyph('›', '>'))
}

/** A state's word in its colour. */
export function paintState(state: ReplicaStatus['state'] | RunStatus['state'], style: Style): string {
  if (state === 'ready' || state === 'running') return style.green(state)
  if (state === 'crashed' || state === 'failed') return style.red(state)
  if (state === 'stopped') return style.dim(state)
  return style.yellow(state)
}

/** `orders/7d9f-x2x4z` for the replica `orders-7d9f-x2x4z`; a replica named as its source is not named twice. */
export function originOf(source: string, replica: string): string {
  if (replica === '' || replica === source) return source
  return `${source}/${replica.startsWith(`${source}-`) ? replica.slice(source.length + 1) : replica}`
}
