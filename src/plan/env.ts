import type { DatabaseField, EnvSource, Model, Service, TemplatePart } from '../spec/model.ts'
import type { Remote } from '../spec/remote.ts'
import { imageTemplateValues, languageOf } from './language.ts'
import { upperSnake } from './names.ts'
import { expandTemplate } from './template.ts'
import type { EnvPlan } from './types.ts'

/**
 * Every variable that the service's processes get, in a stable order: what shiv and the presets add, each with where it
 * came from, then what the user wrote. A user's entry takes the place of an added one of the same name.
 */
export function envOf(service: Service, model: Model): EnvPlan[] {
  const entries = new Map<string, EnvPlan>()
  const add = (name: string, from: string, source: EnvSource): void => {
    entries.set(name, { name, source, from })
  }
  addPlatform(service, model, add)
  addLanguage(service, model, add)
  for (const { type, name } of service.databases) {
    addDatabase(type, name, `database ${name}`, service, model, add, (field) => ({ kind: 'database', database: name, field }))
  }
  for (const dependency of service.dependencies) {
    add(`${upperSnake(dependency)}_URL`, `service ${dependency}`, {
      kind: 'value',
      parts: [{ kind: 'service', service: dependency, field: 'url' }],
    })
  }
  for (const remote of service.remotes) addRemote(remote, service, model, add)
  for (const [name, source] of Object.entries(service.env)) entries.set(name, { name, source })
  return [...entries.values()]
}

type Add = (name: string, from: string, source: EnvSource) => void

function text(value: string): EnvSource {
  return { kind: 'value', parts: [{ kind: 'text', text: value }] }
}

function addPlatform(service: Service, model: Model, add: Add): void {
  const { ports, observability } = service
  add('SERVICE_NAME', 'platform', text(service.name))
  if (ports[0]) add('PORT', 'platform', text(String(ports[0].port)))
  if (observability.metrics) {
    add('METRICS_PORT', 'platform', text(String(observability.metrics.port)))
    add('METRICS_PATH', 'platform', text(observability.metrics.path))
  }
  for (const [name, value] of Object.entries(model.platform.logging.env[observability.logging]))
    add(name, 'platform', text(value))
}

function addLanguage(service: Service, model: Model, add: Add): void {
  const language = languageOf(service, model)
  const values = imageTemplateValues(service, language)
  for (const [name, value] of Object.entries(language.env))
    add(name, `preset ${language.name}`, text(expandTemplate(value, values)))
}

/** What a database of this type offers, wherever it is. */
function addDatabase(
  type: string,
  name: string,
  from: string,
  service: Service,
  model: Model,
  add: Add,
  part: (field: DatabaseField) => TemplatePart,
): void {
  const preset = model.databases[type]
  if (!preset) throw new Error(`the model holds no database preset ${type}`)
  const types = [
    ...service.databases.map((use) => use.type),
    ...service.remotes.flatMap(({ target }) => (target.kind === 'database' ? [target.type] : [])),
  ]
  const isSole = types.filter((other) => other === type).length === 1
  const offers = { ...preset.offers, ...(isSole && preset.offersWhenSole) }
  for (const [key, field] of Object.entries(offers)) {
    add(expandTemplate(key, { NAME: upperSnake(name) }), from, { kind: 'value', parts: [part(field)] })
  }
}

function addRemote({ name, target }: Remote, service: Service, model: Model, add: Add): void {
  const from = `dependency ${name}`
  const part = (field: DatabaseField): TemplatePart => ({ kind: 'dependency', dependency: name, field })
  if (target.kind === 'database') addDatabase(target.type, name, from, service, model, add, part)
  else add(`${upperSnake(name)}_URL`, from, { kind: 'value', parts: [part('url')] })
}
