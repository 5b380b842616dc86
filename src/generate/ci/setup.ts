import type { PipelineFacts, Target } from './facts.ts'

export type Platform = 'github' | 'gitlab'

/** Something that has to be set up on the platform before the pipeline works. */
export interface Setting {
  name: string
  kind: 'variable' | 'secret' | 'environment'
  /** The environment that it belongs to; absent: the repository. */
  environment?: string
  about: string
  /** Whether the pipeline ends without it, or stands open. */
  isNeeded: boolean
  /** What sets it, as typed in a shell. */
  how: string
}

/** What has to be set up for the pipeline of these facts, in the order in which it is missed. */
export function settingsOf(facts: PipelineFacts, platform: Platform): Setting[] {
  const { staging, production } = facts
  const targets = [staging, production].filter((target) => target !== undefined)
  return [
    shivPackage(platform),
    npmRegistry(platform),
    ...targets.flatMap((target) => secretsOf(target, platform)),
    ...(platform === 'github' ? targets.map(deploymentBranches) : []),
    ...(platform === 'github' && production ? [reviewers(production)] : []),
  ]
}

function shivPackage(platform: Platform): Setting {
  const name = 'SHIV_PACKAGE'
  return {
    name,
    kind: 'variable',
    about: 'what npm installs shiv from: NAME@VERSION of your registry, or the https URL of a tarball',
    isNeeded: true,
    how: platform === 'github' ? `gh variable set ${name} --body NAME@VERSION` : `glab variable set ${name} NAME@VERSION`,
  }
}

function npmRegistry(platform: Platform): Setting {
  const name = 'SHIV_NPM_REGISTRY'
  return {
    name,
    kind: 'variable',
    about: 'the registry that has it, an https URL; needed where SHIV_PACKAGE is NAME@VERSION',
    isNeeded: false,
    how: platform === 'github' ? `gh variable set ${name} --body URL` : `glab variable set ${name} URL`,
  }
}

function secretsOf({ name: environment }: Target, platform: Platform): Setting[] {
  const where = quoted(environment)
  // `--raw`: else GitLab takes what begins with `$` for a variable.
  const set = (name: string, gitlab: string, github = ''): string =>
    platform === 'github'
      ? `gh secret set ${name} --env ${where}${github}`
      : `glab variable set ${name} --scope ${where} --protected --raw ${gitlab}`
  const secret = (name: string, about: string, isNeeded: boolean, how: string): Setting => ({
    name,
    kind: 'secret',
    environment,
    about,
    isNeeded,
    how,
  })
  return [
    secret(
      'SHIV_KUBECONFIG',
      'the context of shiv.yaml, of an account that may deploy',
      true,
      set('SHIV_KUBECONFIG', '--type file < KUBECONFIG', ' < KUBECONFIG'),
    ),
    secret(
      'SHIV_REGISTRY_USER',
      'of the registry; without one images are sent without a login',
      false,
      set('SHIV_REGISTRY_USER', '--value USER'),
    ),
    secret('SHIV_REGISTRY_PASSWORD', 'of that user', false, set('SHIV_REGISTRY_PASSWORD', '--masked < PASSWORD')),
  ]
}

function deploymentBranches({ name }: Target): Setting {
  return {
    name: 'deployment branches',
    kind: 'environment',
    environment: name,
    about: 'the default branch only; else whoever may push a branch can read the secrets of the environment',
    isNeeded: true,
    how: 'Settings, Environments, Deployment branches',
  }
}

function reviewers({ name }: Target): Setting {
  return {
    name: 'required reviewers',
    kind: 'environment',
    environment: name,
    about: 'who may release; without them production is released by running the workflow by hand',
    isNeeded: false,
    how: 'Settings, Environments, Required reviewers',
  }
}

/** A word of a shell. */
function quoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
