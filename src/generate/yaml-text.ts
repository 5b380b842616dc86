import { Document, isMap, isScalar, visit, type YAMLMap } from 'yaml'

/** Comments by where they stand: the keys that lead there, for example `jobs/check`. */
export type Comments = Record<string, string>

/** What the `yaml` package leaves unquoted for YAML 1.1, and Ruby's Psych, which reads GitLab's files, takes for a symbol or a number: `:a`, `1,000`. */
const PSYCH = /^(?::|[-+.]?\d[\d,_.]*$)/

/**
 * YAML text of plain data: every string is quoted where it has to be, so that what it holds is never read as structure, nor as another type by readers of
 * YAML 1.1, to whom `on` is a boolean and `12:30` a number. An empty line stands before each key of the top, and of the maps that `spaced` names.
 */
export function yamlText(data: object, { comments = {}, spaced = [] }: { comments?: Comments; spaced?: string[] } = {}): string {
  const document = new Document(data, { aliasDuplicateObjects: false, compat: 'yaml-1.1' })
  visit(document, {
    Scalar: (_, scalar) => {
      if (typeof scalar.value === 'string' && PSYCH.test(scalar.value)) scalar.type = 'QUOTE_SINGLE'
    },
  })
  if (isMap(document.contents)) space(document.contents)
  for (const path of spaced) {
    const map = document.getIn(path.split('/'), true)
    if (isMap(map)) space(map)
  }
  for (const [path, comment] of Object.entries(comments)) {
    const keys = path.split('/')
    const map = keys.length === 1 ? document.contents : document.getIn(keys.slice(0, -1), true)
    const pair = isMap(map) ? map.items.find(({ key }) => isScalar(key) && key.value === keys.at(-1)) : undefined
    if (!isScalar(pair?.key)) throw new Error(`there is no ${path} to comment on`)
    pair.key.commentBefore = comment
      .split('\n')
      .map((line) => ` ${line}`)
      .join('\n')
  }
  return document.toString({ lineWidth: 0, singleQuote: true, flowCollectionPadding: false })
}

function space(map: YAMLMap): void {
  for (const { key } of map.items.slice(1)) if (isScalar(key)) key.spaceBefore = true
}
