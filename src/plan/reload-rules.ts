import { isAbsolute, posix, relative, sep } from 'node:path'
import { compileGlobs } from '../spec/globs.ts'
import type { ReloadPolicy, ReloadRestart, ReloadRule } from '../spec/reload-policy.ts'
import { ruleText } from './reload-text.ts'
import type { Plan, ServicePlan } from './types.ts'

/** What a save of one file asks for. */
export interface Verdict {
  /** `plan`: the workspace's definition is read again. `unmatched`: no rule says what to do. */
  action: 'ignore' | 'sync' | 'build' | 'image' | 'install' | 'plan' | 'unmatched'
  /** The rule as a line, for example `src/** → sync to /app`; the action alone where no rule decided. */
  rule: string
  /** Where that rule stands: `service.yaml`, `preset node`, `shiv`. */
  from: string
  position?: { file: string; line: number; column: number }
  /** Absolute paths in the container that change. */
  targets: string[]
  /** Of `sync`, `build` and `install`. */
  restart?: ReloadRestart
  why: string
  /** The rule itself, to act by. */
  decidedBy?: ReloadRule
}

/** What is around a service and means something before any rule does. Paths are absolute. */
export interface WorkspaceFiles {
  /** Processes run the working copy: nothing goes anywhere. */
  hasContainers: boolean
  /** service.yaml of each service, and shiv.yaml. */
  definitions: string[]
  /** The workspace's own presets, whether the folder is there or not. */
  presets: string
  /** What the service's image is built from, unless it comes ready. */
  context?: string
  dockerfile?: string
}

/** Those of a Plan, for one of its services. */
export function workspaceFiles(plan: Plan, service: ServicePlan): WorkspaceFiles {
  const { root } = plan.workspace
  const source = plan.images.find((image) => image.service === service.name)?.source
  return {
    hasContainers: plan.runtime !== 'process',
    definitions: [`${root}${sep}shiv.yaml`, ...plan.services.map((each) => `${each.root}${sep}service.yaml`)],
    presets: `${root}${sep}presets`,
    ...(source?.kind === 'build' && {
      context: source.context,
      ...('path' in source.dockerfile && { dockerfile: source.dockerfile.path }),
    }),
  }
}

/** Asked with an absolute path; undefined for a file that is no business of the service. */
export type Classify = (path: string) => Verdict | undefined

/** The service's rules, compiled once. Pure: it looks at paths, never at files. */
export function compileReload(service: ServicePlan, files: WorkspaceFiles): Classify {
  const definitions = new Set(files.definitions)
  const policy = service.reload
  const rules = (policy?.rules ?? []).map((rule) => ({ rule, matches: compileGlobs(rule.files) }))
  return (path) => {
    if (definitions.has(path) || inside(files.presets, path) !== undefined) return definition
    const own = inside(service.root, path)
    const isInContext = files.context !== undefined && inside(files.context, path) !== undefined
    if (own === undefined && !isInContext && path !== files.dockerfile) return undefined
    if (!policy) return by('ignore', 'reload is off for this service')
    if (path === files.dockerfile) return by('image', 'the image is built by it')
    if (own === undefined) return by('image', "the image is built from it, and it is outside of the service's folder")
    const decided = rules.find(({ matches }) => matches(own))
    if (decided) return verdictOf(decided.rule, own, policy, files.hasContainers)
    return by('unmatched', `no rule matches ${own}: add one to reload.rules of ${service.name}'s service.yaml`)
  }
}

const definition: Verdict = {
  action: 'plan',
  rule: 'plan',
  from: 'shiv',
  targets: [],
  why: 'it defines the workspace: what differs is made real, nothing else moves',
}

function by(action: Verdict['action'], why: string): Verdict {
  return { action, rule: action, from: 'shiv', targets: [], why }
}

function verdictOf(rule: ReloadRule, path: string, policy: ReloadPolicy, hasContainers: boolean): Verdict {
  const found = {
    rule: ruleText(rule),
    from: rule.from,
    ...(rule.position && { position: rule.position }),
    decidedBy: rule,
  }
  if (rule.do === 'ignore') return { ...found, action: 'ignore', targets: [], why: rule.why ?? 'the rule says so' }
  if (policy.obstacle) return { ...found, action: policy.obstacle.do, targets: [], why: policy.obstacle.why }
  const why = hasContainers ? (rule.why ?? IN_CONTAINERS[rule.do]) : inProcesses(rule)
  if (rule.do === 'image') return { ...found, action: 'image', targets: [], why }
  if (rule.do === 'install' && hasContainers && !rule.inContainer)
    return { ...found, action: 'image', targets: [], why: NO_CONTAINER }
  const targets = hasContainers ? targetsOf(rule, path) : []
  return { ...found, action: rule.do, targets, restart: rule.restart ?? policy.restart, why }
}

const IN_CONTAINERS = {
  sync: 'it goes into the running containers as it is',
  build: 'a command of this machine makes what the containers run',
  install: 'a command in a container beside them makes what the containers run with, and the image is stale until the next start',
  image: 'the rule says so',
}

const IN_PROCESSES = {
  sync: 'the working copy is what runs',
  build: 'what the preset prepares is made anew, and runs',
  image: 'there are no images here: what the preset prepares is made anew, and runs',
}

function inProcesses(rule: Exclude<ReloadRule, { do: 'ignore' }>): string {
  if (rule.do !== 'install') return IN_PROCESSES[rule.do]
  return rule.inContainer
    ? IN_PROCESSES.build
    : "its command runs in the service's folder, and what the preset prepares is made anew"
}

const NO_CONTAINER = 'the rule names no image and no folder that its command makes, so it is done where the image is built'

function targetsOf(rule: Exclude<ReloadRule, { do: 'ignore' | 'image' }>, path: string): string[] {
  const own = rule.to === undefined ? [] : [posix.join(rule.to, path)]
  if (rule.do === 'install' && rule.inContainer) return [...own, posix.join(rule.to, rule.inContainer.makes)]
  return rule.do === 'build' ? [...own, rule.sync.to] : own
}

/** The path from `folder`, with `/` between its parts; undefined when it is not in it. */
function inside(folder: string, path: string): string | undefined {
  const way = relative(folder, path)
  if (way === '' || way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return undefined
  return sep === '/' ? way : way.replaceAll(sep, '/')
}
