import { ShivError } from '../../core/errors.ts'

/** Fills `${name}` from `values`; a name that is not among them is a fault of the preset. */
export function fillTemplate(text: string, values: Record<string, string | undefined>, where: string): string {
  return text.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => {
    const value = values[name]
    if (value !== undefined) return value
    const known = Object.keys(values).map((key) => `\${${key}}`)
    throw new ShivError(`${where} names \${${name}}, which means nothing there.`, {
      code: 'PRESET_TEMPLATE_UNKNOWN',
      exit: 2,
      hint: `known here: ${known.join(', ')}`,
    })
  })
}

export function fillTemplates(texts: string[], values: Record<string, string | undefined>, where: string): string[] {
  return texts.map((text) => fillTemplate(text, values, where))
}
