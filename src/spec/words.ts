/**
 * Splits a command line into words as a shell would, and does nothing else of a shell: no variables, no substitution,
 * no operators. `;`, `$(…)` and backticks stay text. Undefined when a quote is not closed.
 */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!
    if (quote === "'") {
      if (char === quote) quote = undefined
      else word += char
    } else if (quote === '"') {
      if (char === quote) quote = undefined
      else if (char === '\\' && /["\\$`]/.test(line[at + 1] ?? '')) word += line[++at]!
      else word += char
    } else if (char === "'" || char === '"') {
      quote = char
      word ??= ''
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      const isEscape = char === '\\' && at + 1 < line.length
      word = (word ?? '') + (isEscape ? line[++at]! : char)
    }
  }
  if (quote !== undefined) return undefined
  if (word !== undefined) words.push(word)
  return words
}

/** A checked command as words. */
export function wordsOf(command: string | string[]): string[] {
  return typeof command === 'string' ? splitWords(command)! : command
}
