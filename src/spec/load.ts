import { ShivError } from '../core/errors.ts'
import type { Fault } from '../core/errors.ts'
import { didYouMean } from '../core/suggest.ts'
import { Draft } from './draft.ts'
import { checkEnvironments, environmentsToCheck, listEnvironments } from './environments.ts'
import { gatherFaults } from './gather-faults.ts'
import { checkTree } from './issues.ts'
import { inEnvironment } from './merge.ts'
import type { Environment, Model, PlatformPreset } from './model.ts'
import { loadPresets, ownPresetsDir } from './presets.ts'
import type { Presets } from './presets.ts'
import { checkReferences } from './references.ts'
import type { Resolved } from './references.ts'
import { resolveService } from './resolve.ts'
import { serviceSchema } from './service-schema.ts'
import { sortByDependency } from './sort-services.ts'
import { faultAt, readSource } from './source.ts'
import { parseTree, textAt, valueSpan } from './tree.ts'
import type { MapTree } from './tree.ts'
import { findWorkspace } from './workspace.ts'
import type { FoundWorkspace } from './workspace.ts'

export interface LoadOptions {
  /** Whose overrides apply. */
  environment: string
  /** In place of the presets that ship with shiv. */
  presetsDir?: string
}

/**
 * The checked model of the workspace that `path` (absolute: a folder, a service.yaml or a shiv.yaml) belongs to.
 * @throws ShivError `SPEC_INVALID`, exit 2, with every fault of every file of the workspace, in every environment.
 */
export async function loadWorkspace(path: string, options: LoadOptions): Promise<Model> {
  const faults: Fault[] = []
  const workspace = await findWorkspace(path, faults)
  if (workspace === undefined) throw invalid(faults)
  const presets = await loadPresets(options.presetsDir ?? ownPresetsDir(), workspace.root, faults)
  const platform = choosePlatform(workspace, presets, faults)
  const trees: MapTree[] = []
  let isComplete = true
  for (const file of workspace.serviceFiles) {
    const source = await readSource(file, workspace.root, faults)
    const tree = source && parseTree(source, faults)
    if (tree === undefined) isComplete = false
    else trees.push(tree)
    if (tree !== undefined) checkTree(serviceSchema, tree, faults)
  }
  const environments = listEnvironments(workspace, trees)
  checkEnvironments(workspace, trees, environments, options.environment, faults)
  let chosen: Resolved[] = []
  for (const environment of environmentsToCheck(environments, trees, options.environment)) {
    const resolved = await resolveAll(trees, { environment, environments, workspace, presets, platform, faults })
    const isWhole = isComplete && resolved.length === trees.length && !resolved.some(({ draft }) => draft.incomplete.has('name'))
    checkReferences(resolved, isWhole, faults)
    const sorted = sortByDependency(resolved, faults)
    if (environment === options.environment) chosen = sorted
  }
  if (faults.length > 0 || platform === undefined) throw invalid(faults)
  return {
    workspace: {
      name: workspace.data.name ?? chosen[0]!.service.name,
      root: workspace.root,
      ...(workspace.file !== undefined && { file: workspace.file }),
    },
    cluster: {
      name: workspace.data.cluster?.name ?? 'shiv',
      kubernetes: (workspace.tree && textAt(workspace.tree, ['cluster', 'kubernetes'])) ?? '1.34',
      workers: workspace.data.cluster?.workers ?? 0,
    },
    environment: environments[options.environment]!,
    environments,
    services: chosen.map(({ service }) => service),
    languages: Object.fromEntries(presets.languages),
    databases: Object.fromEntries(presets.databases),
    platform,
  }
}

interface Surroundings {
  environment: string
  environments: Record<string, Environment>
  workspace: FoundWorkspace
  presets: Presets
  platform: PlatformPreset | undefined
  faults: Fault[]
}

async function resolveAll(trees: MapTree[], around: Surroundings): Promise<Resolved[]> {
  const { environment, environments, workspace, presets, platform, faults } = around
  const resolved: Resolved[] = []
  for (const [index, written] of trees.entries()) {
    const checked = checkTree(serviceSchema, inEnvironment(written, environment), faults, { name: `unnamed-${index}` })
    if (checked === undefined || platform === undefined) continue
    const workspaceName = workspace.data.name ?? checked.data.name
    const place = { workspaceRoot: workspace.root, workspaceName, environment, environments }
    const draft = new Draft({ ...checked, ...place, presets, faults })
    resolved.push({ draft, service: await resolveService(draft, platform) })
  }
  return resolved
}

function choosePlatform({ tree, data }: FoundWorkspace, presets: Presets, faults: Fault[]): PlatformPreset | undefined {
  const name = data.platform ?? 'default'
  const platform = presets.platforms.get(name)
  if (platform !== undefined || presets.broken.has(name)) return platform
  const fault = {
    code: 'SPEC_UNKNOWN_PLATFORM',
    message: `there is no platform preset "${name}"`,
    hint: didYouMean(name, presets.platforms.keys()),
  }
  faults.push(tree === undefined ? { code: fault.code, message: fault.message } : faultAt(valueSpan(tree, ['platform']), fault))
  return presets.platforms.get('default')
}

function invalid(faults: Fault[]): ShivError {
  const gathered = gatherFaults(faults)
  const [first] = gathered
  const files = new Set(gathered.map(({ file }) => file)).size
  const message =
    gathered.length === 1 ? first!.message : `${gathered.length} faults in ${files === 1 ? 'one file' : `${files} files`}`
  return new ShivError(message, {
    code: 'SPEC_INVALID',
    exit: 2,
    faults: gathered,
    ...(first?.hint !== undefined && gathered.length === 1 && { hint: first.hint }),
  })
}
