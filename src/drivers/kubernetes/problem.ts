import { ShivError } from '../../core/errors.ts'
import { KubeApiError, type KubeClient } from './client.ts'
import { knownPath } from './mapping.ts'
import type { EventObject, Pod } from './objects.ts'

/** Why something cannot start, before its log was fetched. */
export interface Problem {
  code: string
  /** In the user's words, without the subject in front: `its image … cannot be pulled`. */
  message: string
  hint: string
  /** Lines of the cluster's own words. */
  evidence: string[]
  /** Whose last log lines belong to it. */
  log?: { pod: Pod; container: string; previous: boolean }
  /** When the thing happened, epoch milliseconds: a crash of before this start proves nothing. */
  at?: number
  /** It may be that something it needs was not there yet. */
  maySettle?: boolean
}

/** What a diagnosis of one pod goes by. */
export interface PodFacts {
  pod: Pod
  events: EventObject[]
  isJob: boolean
  now: number
}

/** How many log lines an error carries. */
const LOG_LINES = 20

/** The error that ends the command, with the log lines fetched. */
export async function problemError(client: KubeClient, subject: string, problem: Problem): Promise<ShivError> {
  const lines = problem.log === undefined ? [] : await lastLines(client, problem.log)
  return new ShivError(`${subject} cannot start: ${problem.message}.`, {
    code: problem.code,
    hint: problem.hint,
    evidence: [...problem.evidence, ...lines],
  })
}

async function lastLines(client: KubeClient, log: NonNullable<Problem['log']>): Promise<string[]> {
  const wanted = await containerLog(client, log.pod, log.container, log.previous)
  return wanted.length > 0 ? wanted : containerLog(client, log.pod, log.container, !log.previous)
}

/** The last lines of a container; none when it never ran or its log is gone. */
export async function containerLog(client: KubeClient, pod: Pod, container: string, previous: boolean): Promise<string[]> {
  const path = knownPath('Pod', pod.metadata.namespace, pod.metadata.name)
  const query = `container=${container}&tailLines=${LOG_LINES}&previous=${previous}`
  try {
    const answer = await client.stream(`${path}/log?${query}`, AbortSignal.timeout(3000))
    answer.setEncoding('utf8')
    let text = ''
    for await (const part of answer as AsyncIterable<string>) text += part
    return text.split('\n').filter((line) => line.trim() !== '')
  } catch (error) {
    // A container that never ran has no log, and the problem itself must be told in any case.
    if (error instanceof KubeApiError || error instanceof ShivError || isAbort(error)) return []
    throw error
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')
}
