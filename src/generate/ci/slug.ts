/** Text as a name that every platform takes: letters, digits, `-` and `_`; what else there is becomes `-`. */
export function slug(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 100)
}
