import { readFileSync } from 'node:fs'
import type { RunContext } from '../../engine/ports.ts'
import type { Plan, ReadingTarget, RuntimeQuestion } from '../../plan/types.ts'
import { readCredentials } from '../database/credentials.ts'
import { logFormatOf } from '../log-format.ts'
import { askVersion, databaseHealth } from '../database/database-health.ts'
import { readCronState } from './cron.ts'
import { probeHttp } from './health.ts'
import type { ProcessView } from './live-state.ts'
import { readLogs } from './logs.ts'
import { healthOf } from './service-specs.ts'

const PATIENCE_MS = 2_000

/** Answers parity's questions by asking what runs; what cannot be seen here is undefined. */
export async function takeReadings(
  plan: Plan,
  targets: ReadingTarget[],
  context: RunContext,
  views: ProcessView[],
): Promise<({ actual: unknown } | undefined)[]> {
  return Promise.all(
    targets.map(async (target) => {
      if (target.kind === 'object') return undefined // there are no Kubernetes objects here
      const actual = await answer(target.question, plan, context, views)
      return actual === undefined ? undefined : { actual }
    }),
  )
}

async function answer(question: RuntimeQuestion, plan: Plan, context: RunContext, views: ProcessView[]): Promise<unknown> {
  const [kind = '', subject = '', name = ''] = question.split(':')
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(PATIENCE_MS)])
  const service = plan.services.find((service) => service.name === subject)
  const database = plan.databases.find((database) => database.name === subject)
  const own = views.filter(({ unit }) => unit === subject)
  const living = own.find(({ pid }) => pid !== undefined)
  if (kind === 'cron') {
    return readCronState(plan.services, context.runDir).find((job) => job.service === subject && job.name === name)?.schedule
  }
  if (service !== undefined) {
    if (kind === 'replicas') return own.filter(({ state }) => state === 'ready').length
    if (kind === 'log-format') return readLogFormat(subject, context)
    if (living?.pid === undefined) return undefined
    if (kind === 'health') return (await healthOf(service, living.ports).probe(signal)).ok
    if (kind === 'user') return userOf(living.pid)
    if (kind === 'env') return variableNames(living.pid)
    const port = living.ports['metrics']
    if (kind === 'metrics' && port !== undefined)
      return (await probeHttp(port, service.metrics?.path ?? '/metrics', PATIENCE_MS, signal)).ok
  }
  if (database === undefined || living === undefined) return undefined
  const credentials = (await readCredentials(context.runDir))[subject]
  const port = living.ports[database.type]
  if (credentials === undefined || port === undefined) return undefined
  if (kind === 'version') return askVersion(database, credentials, port, signal)
  if (kind === 'database') return (await databaseHealth(database, credentials, port).probe(signal)).ok
  return undefined
}

/** By the lines that the service itself wrote last. */
async function readLogFormat(service: string, context: RunContext): Promise<'structured' | 'plain' | undefined> {
  const lines: string[] = []
  for await (const line of readLogs({ sources: [service], follow: false, tail: 20 }, context)) {
    if (/-\d+$/.test(line.replica)) lines.push(line.text)
  }
  return logFormatOf(lines)
}

function userOf(pid: number): number | undefined {
  if (process.platform !== 'linux') return process.getuid?.()
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return uid === undefined ? undefined : Number(uid)
}

/** Names only; no value leaves the process. */
function variableNames(pid: number): string[] | undefined {
  if (process.platform !== 'linux') return undefined
  return readFileSync(`/proc/${pid}/environ`, 'latin1')
    .split('\0')
    .filter((variable) => variable.includes('='))
    .map((variable) => variable.slice(0, variable.indexOf('=')))
}
