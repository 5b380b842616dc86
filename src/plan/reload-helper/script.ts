/** The text of a script, letter for letter: only `\${` and an escaped backtick lose their backslash, which TypeScript wants there. */
export function script(parts: TemplateStringsArray): string {
  return parts.raw.join('').replace(/^\n/, '').replaceAll('\\${', '${').replaceAll('\\`', '`')
}
