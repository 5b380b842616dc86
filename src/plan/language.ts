import type { LanguagePreset, Model, Service } from '../spec/model.ts'
import { withVariant } from '../spec/variant.ts'

/** The service's language preset with its variant laid over it. */
export function languageOf(service: Service, model: Model): LanguagePreset {
  const preset = model.languages[service.language]
  if (!preset) throw new Error(`the model holds no language preset ${service.language}`)
  return withVariant(preset, service.variant)
}

/** The values that templates of a language preset may name when they are rendered for an image. */
export function imageTemplateValues(service: Service, language: LanguagePreset): Record<string, string | number> {
  return { 'service.name': service.name, port: service.ports[0]?.port ?? language.port }
}
