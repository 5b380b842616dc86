import type { Resources } from '../spec/model.ts'

/** What Pod Security `restricted` asks of a pod. `user` is the uid of the image; undefined or 0 leaves it to the image, which must not be root. */
export function podSecurity(user: number | undefined): Record<string, unknown> {
  return {
    runAsNonRoot: true,
    ...(user !== undefined && user > 0 && { runAsUser: user, runAsGroup: user, fsGroup: user }),
    seccompProfile: { type: 'RuntimeDefault' },
  }
}

/** What Pod Security `restricted` asks of a container, and a root file system that nothing writes to. */
export function containerSecurity(readOnlyRootFilesystem: boolean): Record<string, unknown> {
  return { allowPrivilegeEscalation: false, readOnlyRootFilesystem, capabilities: { drop: ['ALL'] } }
}

export function requestsAndLimits(resources: Resources): Record<string, unknown> {
  return {
    requests: { cpu: resources.cpu, memory: resources.memory },
    limits: { ...(resources.cpuLimit !== undefined && { cpu: resources.cpuLimit }), memory: resources.memoryLimit },
  }
}
