import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { entryCommand } from './entry-command.ts'

export interface Detected {
  /** A language preset; undefined when a Dockerfile of its own builds it. */
  language: string | undefined
  /** What gave it away. */
  why: string
  /** What starts it, where that is not what its preset starts. */
  command?: string[]
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
  if (language !== undefined) return withEntry({ language, why: `language ${language}, as asked` }, folder)
  const sign = SIGNS.find(({ file }) => existsSync(join(folder, file)))
  if (!sign) return undefined
  const why = sign.language ? `${sign.language}, by its ${sign.file}` : 'by its Dockerfile'
  return withEntry({ language: sign.language, why }, folder)
}

function withEntry(detected: Detected, folder: string): Detected {
  const command = entryCommand(folder, detected.language)
  return command ? { ...detected, command } : detected
}
