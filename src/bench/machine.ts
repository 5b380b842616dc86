import { createHash } from 'node:crypto'

/** What a machine is, as far as it decides how long things take. */
export interface MachineFacts {
  platform: string
  arch: string
  cpu: string
  cores: number
  memoryBytes: number
  /** Kernel or system release. */
  kernel: string
  node: string
  /** Versions; absent where the runtime that was measured has none. */
  docker?: string
  kubernetes?: string
  /** Load over the last minute when the measuring began. */
  load: number
}

/**
 * The class that figures may be compared within: platform, processor, cores, and memory in GiB. Twelve hex digits; the same on every machine of the
 * kind. Kernel, Docker and load change from day to day on one machine: they are kept as facts and named where they differ.
 */
export function machineClass({ platform, arch, cpu, cores, memoryBytes }: MachineFacts): string {
  const memory = Math.round(memoryBytes / 2 ** 30)
  return createHash('sha256')
    .update(JSON.stringify([platform, arch, cpu, cores, memory]))
    .digest('hex')
    .slice(0, 12)
}

/** What two machines differ in, for people; empty for two of one class. */
export function classDifferences(here: MachineFacts, there: MachineFacts): string[] {
  const memory = (facts: MachineFacts): string => `${Math.round(facts.memoryBytes / 2 ** 30)} GiB`
  const facts: [string, string, string][] = [
    ['platform', `${here.platform} ${here.arch}`, `${there.platform} ${there.arch}`],
    ['CPU', here.cpu, there.cpu],
    ['cores', String(here.cores), String(there.cores)],
    ['memory', memory(here), memory(there)],
  ]
  return facts
    .filter(([, ours, theirs]) => ours !== theirs)
    .map(([name, ours, theirs]) => `${name}: ${ours} here, ${theirs} there`)
}

/** What has changed on one machine between two runs and may explain a difference. */
export function changedFacts(here: MachineFacts, there: MachineFacts): string[] {
  const names = ['kernel', 'node', 'docker', 'kubernetes'] as const
  return names
    .filter((name) => here[name] !== there[name])
    .map((name) => `${name}: ${here[name] ?? 'none'} now, ${there[name] ?? 'none'} then`)
}
