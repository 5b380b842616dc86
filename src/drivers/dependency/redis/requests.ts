import type { CommandRequest, CommandValue } from '../recording/command-exchange.ts'
import { isMachineMade } from '../recording/secret-names.ts'
import { isContainer } from './commands.ts'
import type { NameOf } from './frames.ts'

/** What else of a connection an answer depends on. */
export interface ConnectionState {
  /** Of RESP: 2 or 3. */
  protocol: number
  /** That the client chose; that which the connection began with has no number here. */
  database: string | undefined
}

/** Commands with values or members among their words: only the key is shown. */
const WITH_VALUES = new Set(
  `set setnx setex psetex getset append mset msetnx hset hmset hsetnx lpush rpush lpushx rpushx linsert lset lrem sadd srem sismember
  smismember xadd publish spublish setrange pfadd zadd geoadd eval eval_ro evalsha evalsha_ro fcall fcall_ro restore echo zscore
  zmscore zrank zrevrank zincrby zrem lpos smove`.split(/\s+/),
)
/** Commands of keys, options, fields, ranges and numbers alone: all of that is shown. Of a command that is in neither list nothing is. */
const WITHOUT_VALUES = new Set(
  `get exists ttl pttl expiretime pexpiretime type strlen mget getrange substr getbit setbit bitcount bitpos bitfield_ro getdel getex lcs hget hmget
  hgetall hkeys hvals hlen hexists hstrlen hscan hrandfield hdel hincrby hincrbyfloat lrange llen lindex ltrim lpop rpop lmove blmove rpoplpush
  brpoplpush blpop brpop lmpop blmpop smembers scard srandmember spop sscan sinter sinterstore sunion sunionstore sdiff sdiffstore sintercard
  zrange zrangestore zrevrange zrangebyscore zrevrangebyscore zcard zcount zscan zrandmember zdiff zdiffstore zinter zinterstore zunion zunionstore
  zintercard zpopmin zpopmax bzpopmin bzpopmax zremrangebyrank zremrangebyscore xlen xrange xrevrange xread xreadgroup xack xclaim xautoclaim
  xpending xtrim xdel scan keys dbsize randomkey dump touch del unlink expire pexpire expireat pexpireat persist incr decr incrby decrby
  incrbyfloat copy rename renamenx move sort sort_ro pfcount pfmerge flushdb flushall time lastsave info role wait command`.split(
    /\s+/,
  ),
)
/** Containers that hold no values, whatever follows. */
const PLAIN_CONTAINERS =
  /^(?:acl|client|cluster|command|config get|function (?:list|stats|help)|latency|memory|object|pubsub|script exists|slowlog|xgroup|xinfo|module list)\b/
/** Of an unknown command: what follows such a word is hidden. */
const BEFORE_SECRET = /pass|auth|secret|token/i
/** Nothing of these is shown, and all is hidden. */
const CREDENTIALS = new Set(['auth', 'hello', 'acl setuser', 'config set', 'migrate'])
/** Whose answers are names and values in turn. */
const PAIRED = new Set('hgetall hrandfield hscan xrange xrevrange xread xreadgroup xclaim xautoclaim'.split(' '))
const LONGEST_SHOWN = 100

/** The name of a command, of a container with its second word, in lower case; and the words behind it. */
export function nameOfCommand(words: readonly Buffer[]): { name: string; rest: readonly Buffer[] } {
  const first = words[0]!.toString('latin1').toLowerCase()
  if (!isContainer(undefined, first) || words.length < 2) return { name: first, rest: words.slice(1) }
  return { name: `${first} ${words[1]!.toString('latin1').toLowerCase()}`, rest: words.slice(2) }
}

/** One command as it is compared. Keys and options of known commands are shown where they are plain words; values, and what looks made by a machine, are only compared. */
export function commandRequest(words: readonly Buffer[], state: ConnectionState): CommandRequest {
  const { shown, parameters } = split(words)
  return { protocol: 'redis', command: shown, ...wayOf(state), parameters }
}

/** A transaction: all of its commands together. */
export function transactionRequest(commands: readonly (readonly Buffer[])[], state: ConnectionState): CommandRequest {
  const parts = commands.map(split)
  const command = ['MULTI', ...parts.map(({ shown }) => shown), 'EXEC'].join('; ')
  return { protocol: 'redis', command, ...wayOf(state), parameters: parts.flatMap(({ parameters }) => parameters) }
}

/** What the answer to HELLO says of the server. */
export const helloRequest: CommandRequest = { protocol: 'redis', command: 'HELLO', way: 'startup', parameters: [] }

/** What the values of an answer are called, for redaction alone. */
export function replyNames(words: readonly Buffer[]): NameOf {
  const { name, rest } = nameOfCommand(words)
  const texts = rest.map((word) => word.toString('utf8'))
  if (name.startsWith('acl ')) return () => 'password'
  if (name === 'hget') return () => texts[1]
  if (name === 'hmget') return ([at = 0]) => texts[1 + at]
  if (name === 'mget') return ([at = 0]) => lastPart(texts[at])
  if (name === 'config get') return (_place, before) => (before !== undefined && /pass|auth/.test(before) ? 'password' : before)
  const key = lastPart(texts[0])
  if (PAIRED.has(name)) return (place, before) => ((place.at(-1) ?? 0) % 2 === 1 ? before : key)
  return () => key
}

/** The same for what EXEC answers. */
export function transactionNames(commands: readonly (readonly Buffer[])[]): NameOf {
  const names = commands.map(replyNames)
  return ([at = 0, ...place], before) => names[at]?.(place, place.length === 0 ? undefined : before)
}

function wayOf({ protocol, database }: ConnectionState): { way?: string } {
  const parts = [...(protocol === 3 ? ['resp3'] : []), ...(database === undefined ? [] : [`database ${database}`])]
  return parts.length === 0 ? {} : { way: parts.join(' ') }
}

function split(words: readonly Buffer[]): { shown: string; parameters: CommandValue[] } {
  const { name, rest } = nameOfCommand(words)
  const parameters: CommandValue[] = []
  const shown = rest.map((word, at) => {
    const text = word.toString('utf8')
    const isValue = CREDENTIALS.has(name) || !isKnown(name) || (WITH_VALUES.has(name) && at > 0)
    if (!isValue && isPlain(text)) return text
    const called = valueName(name, rest, at)
    parameters.push({ ...(called !== undefined && { name: called }), value: word })
    return '?'
  })
  return { shown: [name.toUpperCase(), ...shown].join(' '), parameters }
}

function isKnown(name: string): boolean {
  return WITH_VALUES.has(name) || WITHOUT_VALUES.has(name) || PLAIN_CONTAINERS.test(name)
}

function isPlain(text: string): boolean {
  return text.length <= LONGEST_SHOWN && /^[\x21-\x7e]+$/.test(text) && !text.split(/[:./|,{}]/).some(isMachineMade)
}

/** What a value is stored under: its field, or the last part of its key. */
function valueName(name: string, rest: readonly Buffer[], at: number): string | undefined {
  const before = rest[at - 1]?.toString('utf8')
  if (!isKnown(name) && before !== undefined && BEFORE_SECRET.test(before)) return 'password'
  if (!WITH_VALUES.has(name) || at === 0) return undefined
  const isPair = /^(?:mset|msetnx|hset|hmset|hsetnx|xadd)$/.test(name)
  return lastPart(isPair ? before : rest[0]?.toString('utf8'))
}

function lastPart(key: string | undefined): string | undefined {
  return key?.slice(Math.max(...[...':./|'].map((sign) => key.lastIndexOf(sign))) + 1)
}
