import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { compileGlobs } from '../../spec/globs.ts'
import type { ServicePlan } from '../../plan/types.ts'
import { hashText } from './source-tree.ts'
import { type BuildContainers, installFailed } from './build-step.ts'
import type { ContainerInstallRule, InstallRule } from './rule-types.ts'

export function isInContainer(rule: InstallRule): rule is ContainerInstallRule {
  return rule.inContainer !== undefined
}

/** The folder of the service's containers that an install takes the place of. */
export function installTarget({ to, inContainer }: ContainerInstallRule): string {
  return posix.join(to, inContainer.makes)
}

/** What an install made when it last went well, as a folder of this machine. `out`: of the service's artefacts. */
export function installedAt(rule: ContainerInstallRule, out: string): string {
  return join(placeOf(rule, out), 'made')
}

/** Of these paths of a service's folder, those that an install reads. */
export function readsOf(rule: ContainerInstallRule, paths: Iterable<string>): string[] {
  const isRead = compileGlobs([...rule.files, ...rule.inContainer.reads])
  return [...paths].filter((path) => isRead(path))
}

/** What an install needs of the run around it. */
export interface InstallPlace {
  workspace: string
  /** Folder for the service's artefacts. */
  out: string
  environment: NodeJS.ProcessEnv
  signal: AbortSignal
}

/**
 * Installs anew, in a folder that holds nothing but links to `paths`, the files of the service that the command reads; in the container it has the
 * path that the service's folder has in its own image, so that what is made can be used there. What was made before is replaced when all went well.
 * Throws RELOAD_INSTALL_FAILED, and what `containers` throws.
 */
export async function installBeside(
  service: ServicePlan,
  rule: ContainerInstallRule,
  paths: string[],
  containers: BuildContainers,
  { workspace, out, environment, signal }: InstallPlace,
): Promise<void> {
  const place = placeOf(rule, out)
  const work = join(place, 'work')
  await mkdir(work, { recursive: true, mode: 0o700 })
  // The folder itself is mounted in a container that waits.
  for (const name of await readdir(work)) await rm(join(work, name), { recursive: true, force: true })
  for (const path of new Set([...paths, ...named(service, rule)])) {
    await mkdir(dirname(join(work, path)), { recursive: true })
    await symlink(join(service.root, path), join(work, path))
  }
  const { image, makes, env = {} } = rule.inContainer
  const result = await containers.run({
    argv: rule.run,
    image,
    workspace,
    out: place,
    mounted: { from: work, to: rule.to },
    cwd: rule.to,
    env,
    environment,
    signal,
  })
  signal.throwIfAborted()
  if (result.code !== 0) throw installFailed(service, rule.run, result, `shiv why ${join(service.root, paths[0] ?? '')}`)
  await replace(join(work, makes), installedAt(rule, out))
}

/** Files that the rule calls by their name are read also where nobody watches them: one with a token in it is likely to be ignored. */
function named(service: ServicePlan, { files, inContainer }: ContainerInstallRule): string[] {
  const names = [...files, ...inContainer.reads].filter((glob) => !/[*?[{\\]/.test(glob))
  return names.filter((name) => existsSync(join(service.root, name)))
}

/** Nothing to install may be nothing made. */
async function replace(from: string, to: string): Promise<void> {
  const before = `${to}.before`
  await rm(before, { recursive: true, force: true })
  await rename(to, before).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  const isMade = await stat(from).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (isMade) await rename(from, to)
  else await mkdir(to)
  await rm(before, { recursive: true, force: true })
}

function placeOf(rule: ContainerInstallRule, out: string): string {
  return join(out, `install-${hashText(installTarget(rule)).slice(0, 8)}`)
}
