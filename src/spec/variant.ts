import type { LanguagePreset } from './model.ts'

/** The language preset as it is for a service: with its variant's fields over it, deeply, lists replaced. */
export function withVariant(preset: LanguagePreset, variant: string | undefined): LanguagePreset {
  const chosen = preset.variants.find(({ name }) => name === variant)
  if (chosen === undefined) return preset
  const { build, process, debug, reload } = chosen
  return {
    ...preset,
    build: { ...preset.build, ...build },
    process: { ...preset.process, ...process },
    ...((preset.debug ?? debug) !== undefined && {
      debug: { ...preset.debug, ...debug } as NonNullable<LanguagePreset['debug']>,
    }),
    ...((preset.reload ?? reload) !== undefined && { reload: { rules: [], ...preset.reload, ...reload } }),
  }
}
