import type { LanguagePreset, Model, Service } from '../spec/model.ts'

/** The service's language preset with its variant laid over it; lists are replaced whole. */
export function languageOf(service: Service, model: Model): LanguagePreset {
  const preset = model.languages[service.language]
  if (!preset) throw new Error(`the model holds no language preset ${service.language}`)
  const variant = preset.variants.find((candidate) => candidate.name === service.variant)
  if (!variant) return preset
  return {
    ...preset,
    build: { ...preset.build, ...variant.build },
    process: { ...preset.process, ...variant.process },
    ...(preset.debug && { debug: { ...preset.debug, ...variant.debug } }),
  }
}

/** The values that templates of a language preset may name when they are rendered for an image. */
export function imageTemplateValues(service: Service, language: LanguagePreset): Record<string, string | number> {
  return { 'service.name': service.name, port: service.ports[0]?.port ?? language.port }
}
