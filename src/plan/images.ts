import { resolve } from 'node:path'
import type { Model, Service } from '../spec/model.ts'
import { imageTemplateValues, languageOf } from './language.ts'
import { expandTemplate } from './template.ts'
import type { ImagePlan } from './types.ts'

/** The repository that a local build names its images by. */
export function localRepository(service: string, model: Model): string {
  return `shiv.local/${model.workspace.name}/${service}`
}

/** What the service's image is made of. Paths come out absolute; the preset's Dockerfile with its templates filled. */
export function imageOf(service: Service, model: Model): ImagePlan {
  const registry = model.environment.registry
  const repository = registry === undefined ? localRepository(service.name, model) : `${registry}/${service.name}`
  if (service.build.kind === 'image') {
    return { service: service.name, repository, source: { kind: 'reference', image: service.build.image } }
  }
  const language = languageOf(service, model)
  const context = resolve(service.root, service.build.context)
  const { ignore } = language.build
  if (service.build.kind === 'dockerfile') {
    const { target, args } = service.build
    const path = resolve(service.root, service.build.dockerfile)
    const source = {
      kind: 'build' as const,
      context,
      dockerfile: { path },
      ...(target !== undefined && { target }),
      args,
      ignore,
    }
    return { service: service.name, repository, source }
  }
  const text = expandTemplate(language.build.dockerfile, imageTemplateValues(service, language))
  return { service: service.name, repository, source: { kind: 'build', context, dockerfile: { text }, args: {}, ignore } }
}
