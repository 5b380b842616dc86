import { Document, isMap, isScalar, type YAMLMap } from 'yaml'

/** Comments by where they stand: the keys that lead there, for example `jobs/check`. */
export type Comments = Record<string, string>

/**
 * YAML text of plain data: every string is quoted where it has to be, so that what it holds is never read as structure. An empty line stands
 * before each key of the top, and of the maps that `spaced` names.
 */
export function yamlText(data: object, { comments = {}, spaced = [] }: { comments?: Comments; spaced?: string[] } = {}): string {
  const document = new Document(data, { aliasDuplicateObjects: false })
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
