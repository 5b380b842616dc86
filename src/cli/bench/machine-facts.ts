import { execFile } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { machineClass, type MachineFacts } from '../../bench/machine.ts'

/** What this machine is now. `kubernetes` is the version that services ran on, where they did. */
export async function machineFacts(kubernetes: string | undefined): Promise<MachineFacts & { class: string }> {
  const docker = await dockerVersion()
  const facts: MachineFacts = {
    platform: process.platform,
    arch: process.arch,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
    ...(docker !== undefined && { docker }),
    ...(kubernetes !== undefined && { kubernetes }),
    load: loadavg()[0] ?? 0,
  }
  return { ...facts, class: machineClass(facts) }
}

/** Undefined where there is no Docker, or it does not answer in time. */
function dockerVersion(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 5_000 }, (error, stdout) =>
      resolve(error ? undefined : stdout.trim() || undefined),
    )
  })
}
