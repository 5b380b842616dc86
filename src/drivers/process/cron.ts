import { Cron } from 'croner'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { toErrorShape } from '../../core/errors.ts'
import type { LiveState, RunContext } from '../../engine/ports.ts'
import type { ServicePlan } from '../../plan/types.ts'
import { runToEnd } from './run-to-end.ts'
import type { Setting } from './service-specs.ts'
import { findMarked } from './sweep.ts'

type CronResult = { lastRun: number; lastResult?: 'succeeded' | 'failed' }

const path = (runDir: string) => join(runDir, 'cron.json')

/** How the process of a job is marked. */
export function cronMark(service: string, job: string): string {
  return `${service}.cron.${job}`
}

export interface ArmedJobs {
  /** Disarms them and ends what runs. */
  stop(): Promise<void>
  /** Disarms them; what runs goes on. */
  release(): void
}

/** Arms every cron job of a service. */
export function armCronJobs(service: ServicePlan, settingOf: (argv: string[]) => Setting, context: () => RunContext): ArmedJobs {
  const ending = new AbortController()
  const running = new Set<Promise<void>>()
  const jobs = service.cron.map((job) => {
    const run = () => {
      const done = runJob(service.name, job.name, () => settingOf(job.command), context(), ending.signal)
      running.add(done)
      void done.finally(() => running.delete(done))
      return done
    }
    // Kubernetes reads schedules in UTC; `protect` lets no run begin while the one before goes on.
    return new Cron(job.schedule, { timezone: 'UTC', protect: true, unref: true, mode: '5-or-6-parts' }, run)
  })
  const release = () => {
    for (const job of jobs) job.stop()
  }
  return {
    release,
    stop: async () => {
      release()
      ending.abort(new Error('stopped'))
      await Promise.allSettled(running)
    },
  }
}

async function runJob(
  service: string,
  name: string,
  setting: () => Setting,
  context: RunContext,
  signal: AbortSignal,
): Promise<void> {
  const id = cronMark(service, name)
  // One that a killed daemon started may still be at work.
  if (findMarked(context.runDir).some((marked) => marked.id === id)) return
  const key = `${service}/${name}`
  const lastRun = Date.now()
  await note(context.runDir, key, { lastRun })
  try {
    const result = await runToEnd({ ...setting(), runDir: context.runDir, id, signal })
    await note(context.runDir, key, { lastRun, lastResult: result.code === 0 ? 'succeeded' : 'failed' })
    if (result.code === 0) return
    warn(context, `The cron job ${name} of ${service} ${result.how}.`, service)
  } catch (error) {
    await note(context.runDir, key, { lastRun, lastResult: 'failed' })
    if (!signal.aborted)
      warn(context, `The cron job ${name} of ${service} could not run: ${toErrorShape(error).message}`, service)
  }
}

function warn(context: RunContext, message: string, service: string): void {
  context.emit({ kind: 'warning', code: 'PROCESS_CRON_FAILED', message, hint: `see what it wrote: shiv logs ${service}` })
}

let writing: Promise<void> = Promise.resolve()

/** One after the other, since all jobs share the file. */
function note(runDir: string, key: string, result: CronResult): Promise<void> {
  writing = writing.then(() => writeFileAtomic(path(runDir), JSON.stringify({ ...readResults(runDir), [key]: result })))
  return writing
}

function readResults(runDir: string): Record<string, CronResult> {
  return existsSync(path(runDir)) ? (JSON.parse(readFileSync(path(runDir), 'utf8')) as Record<string, CronResult>) : {}
}

export function readCronState(services: ServicePlan[], runDir: string): LiveState['cron'] {
  const results = readResults(runDir)
  return services.flatMap((service) =>
    service.cron.map(({ name, schedule }) => ({ service: service.name, name, schedule, ...results[`${service.name}/${name}`] })),
  )
}
