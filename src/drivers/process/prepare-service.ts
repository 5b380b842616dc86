import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { ShivError } from '../../core/errors.ts'
import type { RunContext } from '../../engine/ports.ts'
import type { ServicePlan } from '../../plan/types.ts'
import { findOnPath } from '../database/find-program.ts'
import { baseEnvironment } from './base-environment.ts'
import { listFiles, matchFiles } from './list-files.ts'
import { runToEnd } from './run-to-end.ts'
import { pathOf } from './service-environment.ts'
import { fillTemplates } from './templates.ts'

type PrepareStep = ServicePlan['language']['process']['prepare'][number]

/** The folder for a service's artefacts, of shiv's own: `${out}` of the presets. */
export function outFolder(context: RunContext, service: ServicePlan): string {
  const folder = join(context.runDir, 'out', service.name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/**
 * Runs the preset's steps that are due: whose inputs' content changed since their last success, or whose output is missing.
 * What they made stands in the service's own folder, so `home` remembers it beyond the run and its purge. Where `changed` says which files did since
 * all of it last went well, no other file is looked at.
 * Throws PROCESS_TOOL_MISSING (with the preset's hint) and PROCESS_PREPARE_FAILED (with the step's last lines).
 */
export async function prepareService(
  service: ServicePlan,
  context: RunContext,
  home: string,
  changed?: ReadonlySet<string>,
): Promise<void> {
  const out = outFolder(context, service)
  const { prepare } = service.language.process
  const stamps = stampsFolder(home, context.runId)
  const isSettled = (step: PrepareStep) =>
    isDone(step, { service, stamps, out }) && matchFiles([...changed!], step.inputs).length === 0
  if (changed !== undefined && prepare.every(isSettled)) return
  const env = baseEnvironment(context.environment, 'tool')
  env['PATH'] = pathOf(service, out, env['PATH'])
  needTools(service, env['PATH'])
  if (prepare.length === 0) return
  const files = listFiles(service.root, (path) => prepare.some(({ outputs }) => outputs.includes(path)))
  for (const step of prepare) await runIfDue(step, { service, context, stamps, out, env, files })
}

function needTools(service: ServicePlan, path: string): void {
  for (const { tool, hint } of service.language.process.needs) {
    if (findOnPath(tool, path) !== undefined) continue
    throw new ShivError(`${service.name} needs \`${tool}\`, which is not on PATH.`, {
      code: 'PROCESS_TOOL_MISSING',
      exit: 3,
      hint,
    })
  }
}

/** What was prepared is due again. */
export function forgetPreparation(home: string, runId: string): void {
  rmSync(stampsFolder(home, runId), { recursive: true, force: true })
}

function stampsFolder(home: string, runId: string): string {
  return join(home, 'prepared', runId)
}

interface Work {
  service: ServicePlan
  context: RunContext
  stamps: string
  out: string
  env: Record<string, string>
  files: string[]
}

/** It went well, for whatever inputs, and what it made is still there. */
function isDone(step: PrepareStep, place: Pick<Work, 'service' | 'stamps' | 'out'>): boolean {
  const stamp = stampOf(step, place)
  return existsSync(stamp) && readFileSync(stamp, 'utf8').endsWith(WITHOUT_OUTPUT) !== hasOutputs(step, place)
}

async function runIfDue(step: PrepareStep, work: Work): Promise<void> {
  const { service, context, stamps, out, env, files } = work
  const values = { out, 'service.name': service.name }
  const where = `prepare of the preset ${service.language.name}`
  const argv = fillTemplates(step.run, values, where)
  const stamp = stampOf(step, work)
  const wanted = hashInputs(service.root, matchFiles(files, step.inputs), argv)
  if ((await readStamp(stamp)) === stampText(wanted, hasOutputs(step, work))) return
  // A step that fails may have changed its outputs all the same (tsc writes what it complains of): whatever comes next, it is due.
  rmSync(stamp, { force: true })
  await context.step(`${service.name}: ${step.name}`, async () => {
    const id = `${service.name}.prepare`
    const result = await runToEnd({ runDir: context.runDir, id, argv, cwd: service.root, env, signal: context.signal })
    if (result.code !== 0) throw failed(service, step, result.how, result.evidence)
  })
  mkdirSync(stamps, { recursive: true, mode: 0o700 })
  // A step that makes none of its outputs (`npm run build --if-present` without such a script) has had its turn all the same.
  await writeFileAtomic(stamp, stampText(wanted, hasOutputs(step, work)))
}

const WITHOUT_OUTPUT = ' without output'

function stampText(hash: string, hasOutput: boolean): string {
  return hasOutput ? hash : `${hash}${WITHOUT_OUTPUT}`
}

function stampOf(step: PrepareStep, { stamps, service }: Pick<Work, 'stamps' | 'service'>): string {
  return join(stamps, `${service.name}.${step.name.replaceAll(/[^A-Za-z0-9]+/g, '-')}`)
}

function hasOutputs(step: PrepareStep, { service, out }: Pick<Work, 'service' | 'out'>): boolean {
  const filled = fillTemplates(
    step.outputs,
    { out, 'service.name': service.name },
    `prepare of the preset ${service.language.name}`,
  )
  return filled.every((output) => existsSync(isAbsolute(output) ? output : join(service.root, output)))
}

async function readStamp(path: string): Promise<string | undefined> {
  return existsSync(path) ? readFile(path, 'utf8') : undefined
}

function hashInputs(root: string, files: string[], argv: string[]): string {
  const hash = createHash('sha256').update(JSON.stringify([root, argv]))
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

function failed(service: ServicePlan, step: PrepareStep, how: string, evidence: string[]): ShivError {
  return new ShivError(`${service.name}: the step \`${step.name}\` ${how}.`, {
    code: 'PROCESS_PREPARE_FAILED',
    evidence,
    hint: `run it yourself: cd ${service.root} && ${step.run.join(' ')}`,
  })
}
