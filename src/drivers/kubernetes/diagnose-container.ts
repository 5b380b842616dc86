import { type Container, type ContainerState, type ContainerStatus, type EventObject, type Pod, timeOfEvent } from './objects.ts'
import type { PodFacts, Problem } from './problem.ts'
import { diagnoseProbe, wasKilledByProbe } from './diagnose-probe.ts'

const IMAGE_REASONS = new Set(['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName', 'ImageInspectError'])
const COMMAND_REASONS = new Set(['CreateContainerError', 'RunContainerError', 'StartError', 'ContainerCannotRun'])

/** Why one of a pod's containers cannot run; undefined while there is hope. */
export function diagnoseContainers(facts: PodFacts): Problem | undefined {
  const { status } = facts.pod
  for (const [isInit, list] of [
    [true, status.initContainerStatuses],
    [false, status.containerStatuses],
  ] as const) {
    for (const container of list ?? []) {
      const problem = diagnoseContainer(facts, container, isInit)
      if (problem !== undefined) return problem
    }
  }
  return undefined
}

function diagnoseContainer(facts: PodFacts, status: ContainerStatus, isInit: boolean): Problem | undefined {
  const spec = specOf(facts.pod, status.name)
  const waiting = status.state?.waiting
  const reason = waiting?.reason ?? ''
  if (IMAGE_REASONS.has(reason)) return imageProblem(spec, reason, waiting?.message)
  if (reason === 'CreateContainerConfigError') return configProblem(status.name, waiting?.message ?? '')
  if (COMMAND_REASONS.has(reason)) return commandProblem(spec, waiting?.message ?? '')
  const ended =
    status.state?.terminated ?? (status.ready || isRunningInit(status, isInit) ? undefined : status.lastState?.terminated)
  if (ended !== undefined && !isExpectedEnd(ended, isInit || facts.isJob)) return endProblem(facts, status, ended, isInit)
  return isInit ? undefined : diagnoseProbe(facts, status, spec)
}

/** Kubernetes' own words when a node was restarted under its pods: nobody's fault, and the pod comes back. */
function isExpectedEnd(ended: Ended, mayEnd: boolean): boolean {
  return ended.reason === 'Unknown' || ended.reason === 'ContainerStatusUnknown' || (mayEnd && ended.exitCode === 0)
}

function isRunningInit(status: ContainerStatus, isInit: boolean): boolean {
  return isInit && status.state?.running !== undefined && status.restartCount === 0
}

type Ended = NonNullable<ContainerState['terminated']>

function endProblem(facts: PodFacts, status: ContainerStatus, ended: Ended, isInit: boolean): Problem {
  const common = {
    evidence: facts.events.filter((event) => event.type === 'Warning' && event.reason !== 'BackOff').map(eventLine),
    log: { pod: facts.pod, container: status.name, previous: status.state?.terminated === undefined },
    at: Date.parse(ended.finishedAt ?? '') || facts.now,
  }
  const who = isInit ? `its init container ${status.name}` : facts.isJob ? 'its migration' : 'its process'
  if (ended.reason === 'OOMKilled') {
    const limit = memoryLimitOf(facts.pod, status.name)
    return {
      ...common,
      code: 'POD_OUT_OF_MEMORY',
      message: `${who} needed more memory than its limit${limit ? ` of ${limit}` : ''} and was killed`,
      hint: 'Raise resources.memory_limit in service.yaml, or make it need less.',
    }
  }
  if (COMMAND_REASONS.has(ended.reason ?? '')) return commandProblem(specOf(facts.pod, status.name), ended.message ?? '')
  if (!isInit && !facts.isJob && wasKilledByProbe(facts.events, ended)) {
    return { ...(diagnoseProbe(facts, status, specOf(facts.pod, status.name), true) as Problem), log: common.log, at: common.at }
  }
  const how = ended.exitCode === 0 ? 'ended by itself with exit code 0; a service keeps running' : howItEnded(ended)
  return {
    ...common,
    evidence: [],
    code: facts.isJob ? 'POD_MIGRATE_FAILED' : isInit ? 'POD_INIT_FAILED' : 'POD_CRASHED',
    message: `${who} ${how}`,
    hint: facts.isJob
      ? 'The lines above are its output. Mend the migration and run shiv start again; no traffic was sent to the new version.'
      : 'The lines above are its last output. Mend it and run shiv start again.',
    maySettle: true,
  }
}

/** `was ended by signal 9` or `exited with code 1`. */
export function howItEnded(ended: Ended): string {
  const signal = ended.signal || (ended.exitCode > 128 && ended.exitCode < 160 ? ended.exitCode - 128 : 0)
  return signal > 0 ? `was ended by signal ${signal}` : `exited with code ${ended.exitCode}`
}

function imageProblem(spec: Container | undefined, reason: string, message = ''): Problem {
  const image = spec?.image ?? 'unknown'
  const invalid = reason === 'InvalidImageName'
  return {
    code: 'POD_IMAGE_MISSING',
    message: invalid ? `"${image}" is not the name of an image` : `its image ${image} is not on the node and cannot be pulled`,
    hint: invalid
      ? 'Correct build.image in service.yaml; a name looks like registry.example.com/team/app:1.2.'
      : `Try it on this machine: docker pull ${image} (an image that the host has is brought into the cluster). Then run shiv start again.`,
    evidence: message === '' ? [] : [`${reason}: ${message}`],
  }
}

function configProblem(container: string, message: string): Problem {
  if (/runAsNonRoot|non-root|non-numeric user/i.test(message)) {
    return {
      code: 'POD_SECURITY_REJECTED',
      message: 'its image runs as root, which this namespace forbids as production does',
      hint: 'Let the image run as a user with a number: USER 10001 in its Dockerfile.',
      evidence: [message],
    }
  }
  const missing =
    /secret "?([\w.-]+)"? not found|find key ([\w.-]+) in (Secret|ConfigMap) [\w-]+\/([\w.-]+)|configmap "?([\w.-]+)"? not found/i.exec(
      message,
    )
  const what = missing?.[2]
    ? `key ${missing[2]} of ${missing[3]} ${missing[4]}`
    : missing?.[1]
      ? `Secret ${missing[1]}`
      : missing?.[5] && `ConfigMap ${missing[5]}`
  return {
    code: 'POD_CONFIG_INVALID',
    message: what
      ? `container ${container} wants ${what}, which is not there`
      : `the configuration of container ${container} is not valid`,
    hint: 'Look at env in service.yaml (a secret and its key, or a patch that names one): shiv plan shows what is asked for.',
    evidence: [message],
  }
}

function commandProblem(spec: Container | undefined, message: string): Problem {
  const command = spec?.command?.join(' ')
  return {
    code: 'POD_COMMAND_FAILED',
    message: `its command ${command ? `\`${command}\` ` : ''}cannot be run in the image ${spec?.image ?? ''}`.trimEnd(),
    hint: 'Correct command in service.yaml: the program must be in the image, be executable, and be built for its processor.',
    evidence: message === '' ? [] : [message],
  }
}

function specOf(pod: Pod, name: string): Container | undefined {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((container) => container.name === name)
}

function memoryLimitOf(pod: Pod, name: string): string | undefined {
  return (specOf(pod, name) as { resources?: { limits?: { memory?: string } } } | undefined)?.resources?.limits?.memory
}

/** `Unhealthy: Readiness probe failed: …` */
export function eventLine(event: EventObject): string {
  return `${event.reason}: ${event.message?.trim() ?? ''}`
}

/** The newest event of a reason whose text matches. */
export function newestEvent(events: EventObject[], reason: string, text: RegExp): EventObject | undefined {
  return events
    .filter((event) => event.reason === reason && text.test(event.message ?? ''))
    .sort((a, b) => timeOfEvent(b) - timeOfEvent(a))[0]
}
