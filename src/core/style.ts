import { stripVTControlCharacters } from 'node:util'

/** How text may look on one stream. Each function returns its text unchanged when colours are off. */
export interface Style {
  colour: boolean
  unicode: boolean
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  blue(text: string): string
  magenta(text: string): string
  cyan(text: string): string
  /** `unicodeText` where the terminal can show it, else `ascii`. */
  glyph(unicodeText: string, ascii: string): string
}

/** Makes the Style for one stream. */
export function createStyle({ colour, unicode }: { colour: boolean; unicode: boolean }): Style {
  const paint = (open: number, close: number) => (text: string) =>
    colour && text !== '' ? `\x1b[${open}m${text}\x1b[${close}m` : text
  return {
    colour,
    unicode,
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    blue: paint(34, 39),
    magenta: paint(35, 39),
    cyan: paint(36, 39),
    glyph: (unicodeText, ascii) => (unicode ? unicodeText : ascii),
  }
}

/** Whether a stream gets colours: FORCE_COLOR decides when set (`0` and `false` mean no), then NO_COLOR, then whether it is a capable terminal. */
export function wantsColour(env: NodeJS.ProcessEnv, isTTY: boolean): boolean {
  const force = env['FORCE_COLOR']
  if (force !== undefined) return force !== '0' && force !== 'false'
  if (env['NO_COLOR']) return false
  return isTTY && env['TERM'] !== 'dumb'
}

/** Whether the terminal can show more than ASCII: the locale says so, or there is none to say otherwise. */
export function wantsUnicode(env: NodeJS.ProcessEnv): boolean {
  if (env['TERM'] === 'dumb' || env['TERM'] === 'linux') return false
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG']
  return !locale || /utf-?8/i.test(locale)
}

/** How many columns a text takes: colour codes take none, wide East Asian characters and emoji two. */
export function visibleWidth(text: string): number {
  const plain = stripVTControlCharacters(text)
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length
  let width = 0
  for (const character of plain) {
    if (/\p{Mark}/u.test(character)) continue
    width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}]/u.test(
      character,
    )
      ? 2
      : 1
  }
  return width
}

/** Cuts plain text to `columns`, ending in an ellipsis when something was lost. */
export function truncate(text: string, columns: number, ellipsis = '…'): string {
  if (visibleWidth(text) <= columns) return text
  let kept = ''
  for (const character of stripVTControlCharacters(text)) {
    if (visibleWidth(kept + character + ellipsis) > columns) break
    kept += character
  }
  return kept + ellipsis
}
