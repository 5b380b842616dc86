import type { DependencySetting } from '../../../engine/dependency-ports.ts'

/** Whether writes must be kept from the upstream. What runs in the workspace is the developer's own. */
export function isGuarded({ access, mode }: DependencySetting): boolean {
  return access.level === 'read_only' && mode !== 'local'
}
