import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export interface PostgresAddress {
  host: string
  port: number
  user: string
  password: string
  database: string
}

/** What the server said no with; `code` is its SQLSTATE, for example `3D000` for a database that does not exist. */
export class PostgresError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.name = 'PostgresError'
    this.code = code
  }
}

interface Message {
  type: string
  body: Buffer
}

/**
 * Logs in (SCRAM-SHA-256), runs one statement and returns its rows as text. As much of the protocol as health and setup need;
 * throws PostgresError when the server refuses, the socket's error when there is none.
 */
export async function queryPostgres(address: PostgresAddress, sql: string, signal: AbortSignal): Promise<(string | null)[][]> {
  const socket = connect({ host: address.host, port: address.port, signal })
  socket.setNoDelay(true)
  try {
    const messages = readMessages(socket)
    const next = async () => {
      const { value, done } = await messages.next()
      if (done === true) throw new Error('the server closed the connection')
      if (value.type === 'E') throw toError(value.body)
      return value
    }
    socket.write(startup(address))
    await authenticate(socket, next, address.password)
    await until(next, 'Z')
    socket.write(frame('Q', Buffer.from(`${sql}\0`)))
    const rows: (string | null)[][] = []
    await until(next, 'Z', ({ type, body }) => type === 'D' && rows.push(readRow(body)))
    socket.end(frame('X', Buffer.alloc(0)))
    return rows
  } finally {
    socket.destroy()
  }
}

async function until(next: () => Promise<Message>, type: string, seen?: (message: Message) => unknown): Promise<void> {
  for (let message = await next(); message.type !== type; message = await next()) seen?.(message)
}

async function* readMessages(socket: Socket): AsyncGenerator<Message> {
  let buffered: Buffer = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    buffered = Buffer.concat([buffered, chunk])
    while (buffered.length >= 5) {
      const end = 1 + buffered.readInt32BE(1)
      if (buffered.length < end) break
      yield { type: String.fromCharCode(buffered[0] ?? 0), body: buffered.subarray(5, end) }
      buffered = buffered.subarray(end)
    }
  }
}

function startup({ user, database }: PostgresAddress): Buffer {
  const parameters = Buffer.from(`user\0${user}\0database\0${database}\0application_name\0shiv\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + parameters.length, 0)
  head.writeInt32BE(196_608, 4) // protocol 3.0
  return Buffer.concat([head, parameters])
}

function frame(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

/** RFC 5802 without channel binding; the server's own proof is checked too. */
async function authenticate(socket: Socket, next: () => Promise<Message>, password: string): Promise<void> {
  const nonce = randomBytes(18).toString('base64')
  const bare = `n=,r=${nonce}`
  let expected = ''
  for (;;) {
    const { type, body } = await next()
    if (type !== 'R') continue
    const kind = body.readInt32BE(0)
    const text = body.toString('utf8', 4)
    if (kind === 0) return
    if (kind === 10) {
      const first = Buffer.from(`n,,${bare}`)
      const length = Buffer.alloc(4)
      length.writeInt32BE(first.length, 0)
      socket.write(frame('p', Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), length, first])))
    } else if (kind === 11) {
      const proof = prove(password, bare, text, nonce)
      expected = proof.server
      socket.write(frame('p', Buffer.from(proof.message)))
    } else if (kind === 12) {
      if (text !== `v=${expected}`) throw new Error('the server does not know the password')
    } else throw new Error(`the server asks for an authentication of kind ${kind}, not SCRAM-SHA-256`)
  }
}

function prove(password: string, bare: string, challenge: string, nonce: string): { message: string; server: string } {
  const fields = new Map(challenge.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
  const [r = '', s = '', i = ''] = [fields.get('r'), fields.get('s'), fields.get('i')]
  if (!r.startsWith(nonce)) throw new Error('the server answers to another login')
  const salted = pbkdf2Sync(password, Buffer.from(s, 'base64'), Number(i), 32, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const withoutProof = `c=biws,r=${r}`
  const auth = `${bare},${challenge},${withoutProof}`
  const signature = hmac(createHash('sha256').update(clientKey).digest(), auth)
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)))
  return {
    message: `${withoutProof},p=${proof.toString('base64')}`,
    server: hmac(hmac(salted, 'Server Key'), auth).toString('base64'),
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function readRow(body: Buffer): (string | null)[] {
  const row: (string | null)[] = []
  let at = 2
  for (let column = body.readInt16BE(0); column > 0; column -= 1) {
    const length = body.readInt32BE(at)
    at += 4
    row.push(length < 0 ? null : body.toString('utf8', at, at + length))
    at += Math.max(length, 0)
  }
  return row
}

function toError(body: Buffer): PostgresError {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  )
  return new PostgresError(fields.get('C') ?? '', fields.get('M') ?? 'the server refused')
}
