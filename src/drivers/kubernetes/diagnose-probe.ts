import {
  type Container,
  type ContainerState,
  type ContainerStatus,
  type EventObject,
  type ProbeSpec,
  timeOfEvent,
} from './objects.ts'
import type { PodFacts, Problem } from './problem.ts'

type ProbeName = 'startup' | 'liveness' | 'readiness'

/** A server that answers, but not with what the probe wants, gets this long to mean it. */
const ANSWERS_WRONG_MS = 5000

/**
 * A probe that will not pass: the start took longer than it may, the readiness check fails long after the start, or the health path is
 * answered with 401, 403, 404 or 405. `isCertain` when the kubelet has already killed the container for it.
 */
export function diagnoseProbe(
  facts: PodFacts,
  status: ContainerStatus,
  spec: Container | undefined,
  isCertain = false,
): Problem | undefined {
  if (!isCertain && (status.ready || status.state?.running === undefined)) return undefined
  const failed = newestFailure(facts.events)
  if (failed === undefined) return isCertain ? probeProblem('liveness', spec?.livenessProbe, '', facts, status) : undefined
  const probe = spec?.[`${failed.name}Probe`]
  const runsForMs = facts.now - Date.parse(status.state?.running?.startedAt ?? '')
  const refused = /statuscode: 40[1345]/.test(failed.answer) && runsForMs > ANSWERS_WRONG_MS
  const overdue = failed.name === 'readiness' && status.started === true && runsForMs > patienceMs(spec)
  return isCertain || refused || overdue ? probeProblem(failed.name, probe, failed.answer, facts, status) : undefined
}

/** The kubelet ended it because a probe failed: the container's end looks like a kill, and probes failed while it lived. */
export function wasKilledByProbe(events: EventObject[], ended: NonNullable<ContainerState['terminated']>): boolean {
  if (![0, 137, 143].includes(ended.exitCode)) return false
  const began = Date.parse(ended.startedAt ?? '')
  return events.some(
    (event) =>
      timeOfEvent(event) >= began &&
      ((event.reason === 'Killing' && /failed (startup|liveness) probe/.test(event.message ?? '')) ||
        (event.reason === 'Unhealthy' && ended.exitCode !== 0 && /^(Startup|Liveness) probe/.test(event.message ?? ''))),
  )
}

function newestFailure(events: EventObject[]): { name: ProbeName; answer: string } | undefined {
  const failures = events
    .filter((event) => event.reason === 'Unhealthy')
    .sort((a, b) => timeOfEvent(b) - timeOfEvent(a))
    .map((event) => /^(Startup|Liveness|Readiness) probe (?:failed|errored)[^:]*:?\s*(.*)$/s.exec(event.message ?? ''))
    .filter((match) => match !== null)
  const [first] = failures
  return first && { name: (first[1] as string).toLowerCase() as ProbeName, answer: (first[2] ?? '').trim() }
}

/** How long a started container may fail its readiness check before that is called the cause. */
function patienceMs(spec: Container | undefined): number {
  const { initialDelaySeconds = 0, periodSeconds = 10, failureThreshold = 3 } = spec?.readinessProbe ?? {}
  return Math.max(15, initialDelaySeconds + 2 * periodSeconds * failureThreshold) * 1000
}

function probeProblem(
  name: ProbeName,
  probe: ProbeSpec | undefined,
  answer: string,
  facts: PodFacts,
  status: ContainerStatus,
): Problem {
  const said = answer === '' ? 'it did not answer' : answered(answer)
  return {
    code: 'POD_PROBE_FAILED',
    message: `its ${name} check ${describe(probe)} does not pass: ${said}`,
    hint: hintFor(name, answer),
    evidence: answer === '' ? [] : [`${name} probe: ${answer}`],
    log: { pod: facts.pod, container: status.name, previous: status.state?.running === undefined },
  }
}

/** `GET /healthz on port 3000`. */
function describe(probe: ProbeSpec | undefined): string {
  if (probe?.httpGet) return `GET ${probe.httpGet.path ?? '/'} on port ${probe.httpGet.port}`
  if (probe?.tcpSocket) return `TCP on port ${probe.tcpSocket.port}`
  if (probe?.grpc) return `gRPC on port ${probe.grpc.port}`
  return probe?.exec ? `\`${probe.exec.command?.join(' ')}\`` : ''
}

function answered(answer: string): string {
  const code = /statuscode: (\d+)/.exec(answer)?.[1]
  if (code !== undefined) return `it answered ${code}`
  if (/connection refused/.test(answer)) return 'nothing listens on that port'
  if (/deadline exceeded|Timeout/i.test(answer)) return 'it did not answer in time'
  return answer.split('\n')[0] as string
}

function hintFor(name: ProbeName, answer: string): string {
  if (/statuscode: 404/.test(answer))
    return 'The path is wrong or not served yet: set health in service.yaml to one that answers 200.'
  if (/connection refused/.test(answer)) {
    return 'Let it listen on the port in $PORT and on 0.0.0.0, not on 127.0.0.1; or correct port in service.yaml.'
  }
  return name === 'startup'
    ? 'If it only needs longer: health.startup_seconds in service.yaml. Its last log lines tell what it was doing.'
    : 'Its last log lines tell why; health in service.yaml sets path, period and timeout.'
}
