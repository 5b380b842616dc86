/** Text as GitHub takes it where it looks for expressions: what would begin one is written as an expression that gives just that. */
export function plainText(text: string): string {
  return text.replaceAll('${{', "${{ '${{' }}")
}

/** Text for a place where GitHub takes no expressions, and refuses what looks like one. It is shown to people and compared with nothing. */
export function shownText(text: string): string {
  return text.replaceAll('${{', '$ {{')
}

/**
 * A name in a pattern of GitHub's filters. A character that has a meaning there, or may have one, is matched by `*`: such a filter lets more through, and a run
 * too many does no harm.
 */
export function patternOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._/ -]+/g, '*')
}
