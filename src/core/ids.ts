import { createHash } from 'node:crypto'

/** The run of a workspace: its name, and enough of its folder to tell two clones apart. */
export function runIdOf(workspace: { name: string; root: string }): string {
  return `${workspace.name}-${createHash('sha256').update(workspace.root).digest('hex').slice(0, 8)}`
}
