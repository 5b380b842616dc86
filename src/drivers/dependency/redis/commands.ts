/** The server's own table of commands: flags by `name` and, since Redis 7, `name|subcommand`; all in lower case. */
export type CommandTable = ReadonlyMap<string, ReadonlySet<string>>

/** Neither reads nor writes of data, and nobody else notices them. */
const HARMLESS = new Set(
  `acl|cat acl|help acl|whoami asking auth client|caching client|getname client|getredir client|help client|id client|info client|list
  client|no-evict client|no-touch client|reply client|setinfo client|setname client|tracking client|trackinginfo cluster|countkeysinslot
  cluster|getkeysinslot cluster|help cluster|info cluster|keyslot cluster|links cluster|myid cluster|myshardid cluster|nodes
  cluster|replicas cluster|shards cluster|slaves cluster|slots command command|count command|docs command|getkeys
  command|getkeysandflags command|help command|info command|list config|get config|help discard echo exec function|dump function|help
  function|list function|stats hello info lastsave latency|doctor latency|graph latency|help latency|histogram latency|history
  latency|latest memory|doctor memory|help memory|malloc-stats memory|stats module|help module|list multi object|help ping psubscribe
  pubsub|channels pubsub|help pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub punsubscribe quit readonly readwrite
  role script|exists script|help select slowlog|get slowlog|help slowlog|len ssubscribe subscribe sunsubscribe time unsubscribe unwatch
  wait waitaof watch xgroup|help xinfo|help`.split(/\s+/),
)
/** Of a container whose own flags say that it reads, in versions that do not list its subcommands. */
const NOT_READS = new Set(['memory|purge'])
/** Commands whose first argument says what they do. */
const CONTAINERS = new Set([...HARMLESS].filter((name) => name.includes('|')).map((name) => name.slice(0, name.indexOf('|'))))
/** Parameters that hold secrets, and patterns that would match them. */
const SECRET_PARAMETER = /[*?[\\]|pass|auth|user|key/i

/** Whether a command's second word belongs to its name. */
export function isContainer(table: CommandTable | undefined, name: string): boolean {
  return CONTAINERS.has(name) || table?.get(name)?.has('|') === true
}

/** Why a command is more than a read, or undefined. `words` are its name and, for a container, what follows; in lower case. */
export function judgeCommand(table: CommandTable, words: readonly string[]): string | undefined {
  const [name = '', sub = ''] = words
  const flags = table.get(name)
  if (flags === undefined) return 'its server does not know this command'
  const full = isContainer(table, name) && words.length > 1 ? `${name}|${sub}` : name
  if (full === 'config|get' && words.slice(2).some((word) => SECRET_PARAMETER.test(word))) {
    return 'it could show a password; name one parameter that is none'
  }
  if (HARMLESS.has(full)) return undefined
  const own = table.get(full) ?? (flags.has('|') ? undefined : flags)
  if (own === undefined) return 'its server does not know this command'
  if (own.has('write')) return 'its server says that it writes'
  if (own.has('readonly') && !NOT_READS.has(full)) return undefined
  return 'it is no read'
}

/** From the answer to COMMAND. A name with subcommands of its own has the flag `|`. */
export function readCommandTable(answer: unknown): CommandTable {
  const table = new Map<string, Set<string>>()
  const add = (entry: unknown): void => {
    if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !Array.isArray(entry[2])) return
    const flags = new Set((entry[2] as unknown[]).filter((flag) => typeof flag === 'string').map((flag) => flag.toLowerCase()))
    const subs = Array.isArray(entry[9]) ? (entry[9] as unknown[]) : []
    if (subs.length > 0) flags.add('|')
    table.set(entry[0].toLowerCase(), flags)
    for (const sub of subs) add(sub)
  }
  if (Array.isArray(answer)) for (const entry of answer) add(entry)
  return table
}
