import { isPlainEncoding, mayChange } from './parameters.ts'

/** What opens the session at the upstream, or why this client's wishes cannot be granted. */
export type Wishes = { parameters: Record<string, string> } | { refused: string }

/** That which makes every transaction of a session read-only, and SQL readable. Comes after all that a client asks for. */
export const READ_ONLY: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'on',
  standard_conforming_strings: 'on',
}

/** Parameters of a client's opening, less who it says it is. Where only reads may pass, less everything that could lead out of it. */
export function wishesOf(asked: Record<string, string>, isReadOnly: boolean): Wishes {
  const { user: _user, database: _database, options, ...own } = asked
  const named = Object.fromEntries(Object.entries(own).filter(([name]) => !name.startsWith('_pq_.')))
  if (!isReadOnly) return { parameters: { ...named, ...(options !== undefined && { options }) } }
  const switches = options === undefined ? {} : readSwitches(options)
  if (switches === undefined) return { refused: `the connection's options cannot be read: only -c name=value may be among them` }
  const all = { ...switches, ...named }
  for (const [name, value] of Object.entries(all)) {
    const lower = name.toLowerCase()
    if (READ_ONLY[lower] !== undefined) {
      if (!/^(?:on|true|yes|1)$/i.test(value)) return { refused: `the connection asks for ${lower}=${value}` }
      delete all[name]
    } else if (lower === 'replication') {
      if (!/^(?:off|false|no|0)$/i.test(value)) return { refused: 'replication is more than reading' }
      delete all[name]
    } else if (!mayChange(name)) return { refused: `the connection asks for ${name}, which could lead out of read-only` }
    else if (lower === 'client_encoding' && !isPlainEncoding(value)) {
      return { refused: `text in ${value} cannot be read safely here; UTF8 can` }
    }
  }
  return { parameters: { ...all, ...READ_ONLY } }
}

/** `-c name=value` and `--name=value`, with backslashes before what is not a border; undefined for anything else. */
function readSwitches(options: string): Record<string, string> | undefined {
  const words = (options.match(/(?:\\.|[^\s\\])+/gs) ?? []).map((word) => word.replace(/\\(.)/gs, '$1'))
  const parameters: Record<string, string> = {}
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]!
    const setting = word === '-c' ? words[++at] : /^(?:-c|--)(.+)$/s.exec(word)?.[1]
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(setting ?? '') ?? []
    if (name === undefined || value === undefined) return undefined
    parameters[name.replaceAll('-', '_')] = value
  }
  return parameters
}
