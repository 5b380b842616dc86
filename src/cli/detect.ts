import { existsSync } from 'node:fs'
import { join } from 'node:path'

export interface Detected {
  /** A language preset; undefined when a Dockerfile of its own builds it. */
  language: string | undefined
  /** What gave it away. */
  why: string
}

const SIGNS: { file: string; language: string | undefined }[] = [
  { file: 'go.mod', language: 'go' },
  { file: 'package.json', language: 'node' },
  { file: 'pyproject.toml', language: 'python' },
  { file: 'requirements.txt', language: 'python' },
  { file: 'Dockerfile', language: undefined },
]

/** What kind of service a folder holds; `language` decides when given. Undefined when nothing tells. */
export function detectService(folder: string, language: string | undefined): Detected | undefined {
  if (language !== undefined) return { language, why: `language ${language}, as asked` }
  const sign = SIGNS.find(({ file }) => existsSync(join(folder, file)))
  return sign && { language: sign.language, why: sign.language ? `${sign.language}, by its ${sign.file}` : 'by its Dockerfile' }
}
