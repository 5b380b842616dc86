import { stripVTControlCharacters } from 'node:util'

/**
 * Text of others as a terminal may get it: escape sequences vanish, a carriage return within becomes a space (one at the end goes), and
 * other controls and direction marks become `?`. Tabs stay.
 */
export function harmless(text: string): string {
  return (
    stripVTControlCharacters(text)
      .replace(/\r+$/, '')
      .replaceAll('\r', ' ')
      // oxlint-disable-next-line no-control-regex -- these are what it is about
      .replace(/[\u0000-\u0008\u000A-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g, '?')
  )
}
