const ENTRY = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/

/** Reads `NAME=value` lines; quotes are taken off, `#` begins a comment outside of them, nothing is expanded. */
export function parseDotenv(text: string): Record<string, string> {
  const values: Record<string, string> = {}
  for (const line of text.split(/\r?\n/)) {
    const [, name, raw] = ENTRY.exec(line) ?? []
    if (name !== undefined && raw !== undefined) values[name] = unquote(raw)
  }
  return values
}

function unquote(raw: string): string {
  const [, double] = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/.exec(raw) ?? []
  if (double !== undefined) return double.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))
  const [, single] = /^'([^']*)'\s*(?:#.*)?$/.exec(raw) ?? []
  return single ?? raw.replace(/(^|\s)#.*$/, '').trim()
}
