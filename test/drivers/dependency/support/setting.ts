import type { DependencyEvent, DependencySetting, OpenDependency, Upstream } from '../../../../src/engine/dependency-ports.ts'

export const READ_ONLY = { level: 'read_only', allow: [] } as const satisfies DependencySetting['access']
export const READ_WRITE = { level: 'read_write', allow: [] } as const satisfies DependencySetting['access']

/** A setting of a dependency in staging; `upstream.url` says where. */
export function settingOf(
  protocol: DependencySetting['protocol'],
  url: string,
  more: Partial<Omit<DependencySetting, 'upstream'>> & { upstream?: Partial<Upstream> } = {},
): DependencySetting {
  const { upstream, ...rest } = more
  return {
    name: 'users',
    protocol,
    mode: 'staging',
    access: { level: 'read_only', allow: [] },
    rules: {},
    upstream: { url: new URL(url), label: 'staging (users-db)', ...upstream },
    ...rest,
  }
}

/** What is open in one test, with the events that it told. */
export interface Opened {
  dependency: OpenDependency
  events: DependencyEvent[]
}

type Open = (
  setting: DependencySetting,
  options: { port?: number; onEvent(event: DependencyEvent): void; probeEveryMs?: number },
) => Promise<OpenDependency>

export async function openFor(open: Open, setting: DependencySetting, options: { port?: number } = {}): Promise<Opened> {
  const events: DependencyEvent[] = []
  const dependency = await open(setting, { ...options, onEvent: (event) => events.push(event) })
  return { dependency, events }
}
