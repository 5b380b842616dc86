import { relative, sep } from 'node:path'
import type { Environment, Model } from '../../spec/model.ts'

/** An environment that a job deploys to. */
export interface Target {
  name: string
  registry: string
}

/**
 * What a pipeline is made from. Every text is user input: whoever writes it into a file quotes it, and no shell line holds one.
 */
export interface PipelineFacts {
  workspace: string
  /** From the repository's root to the workspace, with slashes; empty where they are one. */
  folder: string
  /** What is pushed to it is deployed. GitLab knows it by itself. */
  branch: string
  /** Programs of this machine that the services' languages need, for their tests. */
  tools: string[]
  /** The first environment that is not production's and can be deployed to. */
  staging?: Target
  /** The first that is production's and can be deployed to. */
  production?: Target
  /** Environments that no job deploys to. */
  left: { environment: string; why: string }[]
}

/** Where the workspace is: the real, absolute folder of its repository, and the branch that is deployed. */
export interface PipelinePlace {
  repository: string
  branch: string
}

/** Reads from a model what its pipeline needs. */
export function pipelineFacts(model: Model, { repository, branch }: PipelinePlace): PipelineFacts {
  const others = Object.values(model.environments).filter(({ name }) => name !== 'local')
  const able = others.filter(({ context, registry }) => context !== undefined && registry !== undefined)
  const staging = able.find(({ isProduction }) => !isProduction)
  const production = able.find(({ isProduction }) => isProduction)
  const needs = model.services.flatMap(({ language }) => model.languages[language]?.process.needs ?? [])
  return {
    workspace: model.workspace.name,
    folder: relative(repository, model.workspace.root).split(sep).join('/'),
    branch,
    tools: [...new Set(needs.map(({ tool }) => tool))].sort(),
    ...(staging && { staging: targetOf(staging) }),
    ...(production && { production: targetOf(production) }),
    left: others
      .filter((environment) => environment !== staging && environment !== production && isWritten(environment))
      .map((environment) => ({ environment: environment.name, why: whyNot(environment) })),
  }
}

function targetOf({ name, registry = '' }: Environment): Target {
  return { name, registry }
}

/** Production is there without being written down; then there is nothing to say of it. */
function isWritten(environment: Environment): boolean {
  return environment.name !== 'production' || Object.keys(environment).some((key) => key !== 'name' && key !== 'isProduction')
}

function whyNot({ context, registry, isProduction }: Environment): string {
  if (context === undefined) return 'it names no context'
  if (registry === undefined) return 'it names no registry'
  return `one ${isProduction ? 'production' : 'environment before production'} is deployed to, the first of shiv.yaml`
}
