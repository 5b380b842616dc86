import { connect, type Socket } from 'node:net'
import { int32, message, readErrorFields, readRow, startup } from '../postgres/messages.ts'
import { scramClient } from '../postgres/scram.ts'

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
    const { user, database } = address
    socket.write(startup({ user, database, application_name: 'shiv' }))
    await authenticate(socket, next, address.password)
    await until(next, 'Z')
    socket.write(message('Q', `${sql}\0`))
    const rows: (string | null)[][] = []
    await until(next, 'Z', ({ type, body }) => type === 'D' && rows.push(readRow(body)))
    socket.end(message('X'))
    return rows
  } finally {
    socket.destroy()
  }
}

async function until(next: () => Promise<Message>, type: string, seen?: (message: Message) => unknown): Promise<void> {
  for (let one = await next(); one.type !== type; one = await next()) seen?.(one)
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

/** SCRAM-SHA-256 and nothing else; the server's own proof is checked too. */
async function authenticate(socket: Socket, next: () => Promise<Message>, password: string): Promise<void> {
  const scram = scramClient(password)
  for (;;) {
    const { type, body } = await next()
    if (type !== 'R') continue
    const kind = body.readInt32BE(0)
    const text = body.toString('utf8', 4)
    if (kind === 0) return
    if (kind === 10) socket.write(message('p', 'SCRAM-SHA-256\0', int32(Buffer.byteLength(scram.first)), scram.first))
    else if (kind === 11) socket.write(message('p', await scram.answer(text)))
    else if (kind === 12) scram.verify(text)
    else throw new Error(`the server asks for an authentication of kind ${kind}, not SCRAM-SHA-256`)
  }
}

function toError(body: Buffer): PostgresError {
  const fields = readErrorFields(body)
  return new PostgresError(fields.get('C') ?? '', fields.get('M') ?? 'the server refused')
}
