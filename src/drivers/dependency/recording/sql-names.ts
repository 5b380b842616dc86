/** The columns that a statement's parameters are compared with or written to, as far as they can be read off it; by index from 0. */
export function parameterNames(statement: string): (string | undefined)[] {
  const names: (string | undefined)[] = []
  for (const [, name, number] of statement.matchAll(/"?(\w+)"?\s*(?:=|<>|!=|~|i?like)\s*(?:\w+\()?\$(\d+)/gi))
    names[Number(number) - 1] = name
  const [, columns = '', values = ''] = /\binsert\s+into\s+[^(]+\(([^)]*)\)\s*values\s*\(([^)]*)\)/is.exec(statement) ?? []
  const places = values.split(',')
  columns.split(',').forEach((column, at) => {
    const number = /^\s*\$(\d+)/.exec(places[at] ?? '')?.[1]
    if (number !== undefined) names[Number(number) - 1] = column.replace(/["\s]/g, '')
  })
  return names
}
