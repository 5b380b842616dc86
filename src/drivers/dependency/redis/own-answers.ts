import { errorLine } from '../../redis/resp.ts'
import { writeReply } from './frames.ts'
import type { ConnectionState } from './requests.ts'
import type { RespValue } from './read-resp.ts'

/** What shiv knows of a connection that it answers itself. */
export interface PlayedState extends ConnectionState {
  id: number
  name: Buffer | null
  /** Of the recorded server: `version`, `mode`, `role`. */
  server: ReadonlyMap<string, string>
}

/** Of a connection and not of the data: answered without a recording, and not recorded. */
const OWN = new Set(
  `ping echo select quit reset hello auth asking readonly readwrite multi exec discard watch unwatch client|setname client|setinfo
  client|getname client|id client|no-evict client|no-touch`
    .split(/\s+/)
    .map((name) => name.replace('|', ' ')),
)
const LOOSE = new Set(
  'subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe monitor sync psync'
    .split(' ')
    .concat('client reply', 'client tracking'),
)

/** Whether what is answered is a matter of the connection alone. */
export function isOwnAnswer(name: string): boolean {
  return OWN.has(name)
}

/** Why a connection is not recorded from this command on. */
export function whyNotRecorded(name: string): string | undefined {
  return LOOSE.has(name) ? 'messages that nobody asked for one by one are not recorded' : undefined
}

/** The answer to a command of the connection itself, which changes `state`. */
export function ownAnswer(name: string, words: readonly Buffer[], state: PlayedState): Buffer {
  switch (name) {
    case 'ping':
      return words[1] ? bulk(words[1]) : Buffer.from('+PONG\r\n')
    case 'echo':
      return words[1] ? bulk(words[1]) : errorLine("ERR wrong number of arguments for 'echo' command")
    case 'select': {
      const database = words[1]?.toString('latin1') ?? ''
      if (!/^\d{1,5}$/.test(database)) return errorLine('ERR value is not an integer or out of range')
      state.database = database
      return OK
    }
    case 'hello':
      return hello(words, state)
    case 'client setname':
      state.name = words[2] ?? null
      return OK
    case 'client getname':
      return state.name === null && state.protocol === 3
        ? Buffer.from('_\r\n')
        : writeReply([{ kind: 'bulk', values: [{ value: state.name }] }])
    case 'client id':
      return Buffer.from(`:${state.id}\r\n`)
    default:
      return OK
  }
}

const OK = Buffer.from('+OK\r\n')

function hello(words: readonly Buffer[], state: PlayedState): Buffer {
  const wanted = words[1]?.toString('latin1') ?? String(state.protocol)
  if (wanted !== '2' && wanted !== '3') return errorLine('NOPROTO unsupported protocol version')
  state.protocol = Number(wanted)
  const named = words.findIndex((word, at) => at > 1 && word.toString('latin1').toLowerCase() === 'setname')
  if (named > 0) state.name = words[named + 1] ?? null
  const { server } = state
  const text = (value: string): RespValue => ({ type: '$', text: Buffer.from(value) })
  const number = (value: number): RespValue => ({ type: ':', text: Buffer.from(String(value)) })
  const items: [string, RespValue][] = [
    ['server', text('redis')],
    ['version', text(server.get('version') ?? '7.0.0')],
    ['proto', number(state.protocol)],
    ['id', number(state.id)],
    ['mode', text(server.get('mode') ?? 'standalone')],
    ['role', text(server.get('role') ?? 'master')],
    ['modules', { type: '*', items: [] }],
  ]
  const head = state.protocol === 3 ? `%${items.length}\r\n` : `*${items.length * 2}\r\n`
  return Buffer.concat([Buffer.from(head), ...items.flatMap(([name, value]) => [bulk(Buffer.from(name)), write(value)])])
}

function write({ type, text, items }: RespValue): Buffer {
  if (items) return Buffer.from('*0\r\n')
  return type === ':' ? Buffer.from(`:${text?.toString() ?? ''}\r\n`) : bulk(text ?? Buffer.alloc(0))
}

function bulk(value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')])
}
