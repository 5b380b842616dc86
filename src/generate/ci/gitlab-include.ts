import { parseAllDocuments, type Document } from 'yaml'

/**
 * Whether a `.gitlab-ci.yml` includes a file of its own project, given from the root. Only what its `include` names counts: a comment does not, nor a file
 * that is included by another one. A text that is no YAML includes nothing.
 */
export function includesFile(text: string, file: string): boolean {
  // A header of inputs is a document of its own. `!reference` is no tag of YAML's, and of no matter here.
  const documents = parseAllDocuments(text, { logLevel: 'silent', merge: true, uniqueKeys: false })
  return [...documents].some((document) => localsOf(dataOf(document)).some((local) => covers(local, file)))
}

/** What a document holds; undefined where it is none, since whoever asks can only add the `include` then: GitLab itself says what is wrong. */
function dataOf(document: Document): unknown {
  if (document.errors.length > 0) return undefined
  try {
    return document.toJS({ maxAliasCount: -1 })
  } catch {
    // An alias without an anchor, or a merge of what is no map.
    return undefined
  }
}

/** What `include` names of the project itself: one or a list, each a text that is no URL, or the `local` of a map. */
function localsOf(pipeline: unknown): string[] {
  const { include } = isRecord(pipeline) ? pipeline : {}
  const named = [include].flat().map((entry: unknown) => (isRecord(entry) ? entry['local'] : entry))
  return named.filter((entry) => typeof entry === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** `*` is a part of a name, `**` also of the way to it. */
function covers(local: string, file: string): boolean {
  const pattern = local.replace(/^\//, '').replaceAll(/\*\*\/|\*\*|\*|[^*]+/g, (part) => {
    if (part === '**/') return '(?:.*/)?'
    if (part === '**') return '.*'
    return part === '*' ? '[^/]*' : part.replaceAll(/[^\w/-]/g, String.raw`\$&`)
  })
  return new RegExp(`^${pattern}$`).test(file)
}
