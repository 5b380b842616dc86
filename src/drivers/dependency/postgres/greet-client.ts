import type { Duplex } from 'node:stream'
import { take } from '../stream/take.ts'
import { CODE, int32, message, readStrings } from '../../postgres/messages.ts'
import { scramServer } from '../../postgres/scram.ts'
import { ProtocolError } from './splitter.ts'

/** As Postgres itself bounds it. */
const LONGEST_OPENING = 10_000

/** What a client wants: a session, or a statement of another session cancelled. */
export type Opening = { kind: 'session'; parameters: Record<string, string> } | { kind: 'cancel'; key: string }

/** Reads what a client opens with. Encryption is declined: the way is within this machine or the local cluster. Throws ProtocolError. */
export async function readOpening(client: Duplex, signal: AbortSignal): Promise<Opening> {
  for (;;) {
    const length = (await take(client, 4, signal)).readInt32BE(0)
    if (length < 8 || length > LONGEST_OPENING) throw new ProtocolError('this is no opening of a Postgres connection')
    const body = await take(client, length - 4, signal)
    const code = body.readInt32BE(0)
    if (code === CODE.ssl || code === CODE.gss) {
      client.write('N')
    } else if (code === CODE.cancel) {
      return { kind: 'cancel', key: body.subarray(4).toString('hex') }
    } else if (code >> 16 === 3) {
      const parameters = readParameters(body.subarray(4))
      declineNewer(client, code & 0xffff, Object.keys(parameters))
      return { kind: 'session', parameters }
    } else throw new ProtocolError(`protocol ${code >> 16}.${code & 0xffff} is not spoken here`)
  }
}

/** Lets a client log in: with `password`, or, where there is none, with anything. False when it does not know it; it was not told yet. */
export async function admitClient(client: Duplex, password: string | undefined, signal: AbortSignal): Promise<boolean> {
  if (password !== undefined) {
    client.write(message('R', int32(10), 'SCRAM-SHA-256\0\0'))
    const scram = scramServer(password)
    const initial = await readAnswer(client, signal)
    const [mechanism = ''] = readStrings(initial, 1)
    if (mechanism !== 'SCRAM-SHA-256') throw new ProtocolError(`${mechanism} is not a way to log in here`)
    client.write(message('R', int32(11), await scram.challenge(initial.toString('utf8', mechanism.length + 5))))
    const final = scram.accept((await readAnswer(client, signal)).toString('utf8'))
    if (final === undefined) return false
    client.write(message('R', int32(12), final))
  }
  client.write(message('R', int32(0)))
  return true
}

async function readAnswer(client: Duplex, signal: AbortSignal): Promise<Buffer> {
  const head = await take(client, 5, signal)
  const length = head.readInt32BE(1)
  if (head[0] !== 0x70 || length < 4 || length > LONGEST_OPENING) throw new ProtocolError('a password was expected')
  return length === 4 ? Buffer.alloc(0) : take(client, length - 4, signal)
}

function readParameters(body: Buffer): Record<string, string> {
  const strings = body.toString('utf8').split('\0')
  const parameters: Record<string, string> = {}
  for (let at = 0; at + 1 < strings.length && strings[at] !== ''; at += 2) parameters[strings[at]!] = strings[at + 1]!
  return parameters
}

/** A newer client is told that it is 3.0 here, without options of the protocol. */
function declineNewer(client: Duplex, minor: number, names: string[]): void {
  const options = names.filter((name) => name.startsWith('_pq_.'))
  if (minor === 0 && options.length === 0) return
  client.write(message('v', int32(CODE.protocol), int32(options.length), ...options.map((name) => `${name}\0`)))
}
