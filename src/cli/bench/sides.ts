import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { parseDocument } from 'yaml'
import type { Side } from '../../bench/report.ts'
import { ShivError } from '../../core/errors.ts'
import type { Plan, StartParams } from '../../wire/messages.ts'
import { copyCommit, copyWorkingCopy } from './copy.ts'
import { isDirty, repositoryOf, resolveCommit, type Repository } from './git.ts'
import type { Stage, Stages } from './stage.ts'

export const HERE = 'here'

/** What is measured: the workspace, and where it stands. */
export interface Subject {
  /** The user's own folder; only read. */
  root: string
  repository: Repository | undefined
  /** Of the user's own folder. */
  plan: Plan
  services: string[]
}

/** A side that runs in this bench. */
export interface RunningSide {
  side: Side
  stage: Stage
  /** Of the stage's copy. */
  plan: Plan
}

/** The working copy, copied as it is. */
export async function openHere(
  stages: Stages,
  { root, path, services }: { root: string; path: string; services: string[] },
  params: Stage['params'],
): Promise<{ subject: Subject; here: RunningSide }> {
  const stage = stages.open(HERE, params)
  // Of the user's own folder, so that what is wrong in it is named by its own files.
  const plan = await planOf(stage, { ...params, path, services })
  const repository = await repositoryOf(root)
  await copyWorkingCopy(root, stage.root, repository)
  const own = await renameWorkspace(stage, plan.workspace.name, 0)
  const side: Side = {
    name: HERE,
    ...(repository?.commit !== undefined && { commit: repository.commit }),
    ...(repository?.branch !== undefined && { branch: repository.branch }),
    ...(repository && { isDirty: await isDirty(root) }),
    measuredAt: Date.now(),
  }
  const subject = { root, repository, plan, services: services.length > 0 ? services : plan.services.map(({ name }) => name) }
  const copy = await planOf(stage, stage.ask(subject.services))
  checkIsApart(copy, own, plan)
  return { subject, here: { side, stage, plan: copy } }
}

/** Another commit of the same folder. Throws BENCH_NOT_A_REPOSITORY, BENCH_UNKNOWN_COMMIT, and BENCH_SIDE when that commit cannot be run. */
export async function openCommit(stages: Stages, name: string, subject: Subject, params: Stage['params']): Promise<RunningSide> {
  const { repository, root } = subject
  if (!repository) {
    throw new ShivError(`${name} cannot be measured: ${root} is in no git repository, and there is no file ${name}.`, {
      code: 'BENCH_NOT_A_REPOSITORY',
      exit: 2,
      hint: 'compare with a report: shiv bench --json > before.json, and later shiv bench --against before.json',
    })
  }
  const commit = await resolveCommit(repository, name)
  const stage = stages.open(name, params)
  await copyCommit(root, stage.root, repository, commit)
  try {
    const own = await renameWorkspace(stage, subject.plan.workspace.name, 1)
    const plan = await planOf(stage, stage.ask(subject.services))
    checkIsApart(plan, own, subject.plan)
    return { side: { name, commit, measuredAt: Date.now() }, stage, plan }
  } catch (error) {
    if (!(error instanceof ShivError)) throw error
    throw new ShivError(`${name} (${commit.slice(0, 7)}) cannot be measured: ${error.message}`, {
      code: 'BENCH_SIDE',
      exit: 2,
      hint: `name a commit in which these services are: git log --oneline -- ${relative(process.cwd(), root) || '.'}`,
      faults: error.faults,
      cause: error,
    })
  }
}

function planOf(stage: Stage, params: StartParams): Promise<Plan> {
  return stage.call<Plan>({ method: 'plan', params })
}

/** Two sides of one name would meet in a cluster, and with what the user runs there. Returns the copy's name. */
async function renameWorkspace({ root }: Stage, name: string, index: number): Promise<string> {
  const file = join(root, 'shiv.yaml')
  const document = parseDocument(existsSync(file) ? await readFile(file, 'utf8') : '{}')
  const own = `${name.slice(0, 40).replace(/-+$/, '')}-b${process.pid.toString(36)}${index}`
  document.set('name', own)
  await writeFile(file, String(document))
  return own
}

/** What the bench ends, it ends with its data: that must be nobody's but the copy's. */
function checkIsApart(copy: Plan, own: string, users: Plan): void {
  if (copy.workspace.name === own && copy.namespace !== users.namespace) return
  throw new ShivError(
    `The copy that would be measured cannot be kept apart from ${users.workspace.name}: both are in ${copy.namespace}.`,
    {
      code: 'BENCH_NOT_APART',
      exit: 2,
      hint: 'take the namespace out of environments.local in shiv.yaml: a workspace has one of its own',
    },
  )
}
