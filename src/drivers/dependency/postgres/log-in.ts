import type { Duplex } from 'node:stream'
import { ShivError } from '../../../core/errors.ts'
import type { Upstream } from '../../../engine/dependency-ports.ts'
import { secure } from '../stream/secure.ts'
import { take } from '../stream/take.ts'
import { CODE, int32, message, opening, readErrorFields, readRow, readStrings, startup } from '../../postgres/messages.ts'
import { md5Answer, scramClient } from '../../postgres/scram.ts'

/** Longer than any message of a login or of our own questions. */
const LONGEST = 16 * 1024 * 1024

/** A session at the upstream that waits for its next command. */
export interface Session {
  socket: Duplex
  /** What the server reported of its settings. */
  statuses: Map<string, string>
  /** Process and secret that cancel its statements. */
  key: Buffer
}

export interface Login {
  user: string
  password?: string
  database: string
}

/** What the server said no with. */
export class PostgresRefusal extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.name = 'PostgresRefusal'
    this.code = code
  }
}

/**
 * Opens a session over a fresh connection: TLS as the URL's `sslmode` says (`prefer` where it does not), the login as the server asks for it.
 * Throws PostgresRefusal for what the server says no to, DEPENDENCY_TLS for encryption that cannot be had.
 */
export async function logIn(
  fresh: Duplex,
  upstream: Upstream,
  login: Login,
  parameters: Record<string, string>,
  signal: AbortSignal,
): Promise<Session> {
  const socket = await encrypt(fresh, upstream, signal)
  socket.on('error', () => undefined) // told to whoever reads or writes
  socket.write(startup({ user: login.user, database: login.database, ...parameters }))
  await authenticate(socket, upstream, login, signal)
  const session: Session = { socket, statuses: new Map(), key: Buffer.alloc(0) }
  for (;;) {
    const { type, body } = await next(socket, signal)
    if (type === 'S') {
      const [name = '', value = ''] = readStrings(body, 2)
      session.statuses.set(name, value)
    } else if (type === 'K') session.key = body
    else if (type === 'Z') return session
  }
}

/** Runs statements on a waiting session; rows of each that has some, as text. Throws PostgresRefusal. */
export async function ask(socket: Duplex, sql: string, signal: AbortSignal): Promise<(string | null)[][][]> {
  socket.write(message('Q', `${sql}\0`))
  const results: (string | null)[][][] = []
  let refusal: unknown
  for (;;) {
    const { type, body } = await next(socket, signal).catch((error: unknown) => {
      if (!(error instanceof PostgresRefusal)) throw error
      refusal = error
      return { type: 'E', body: Buffer.alloc(0) }
    })
    if (type === 'T') results.push([])
    else if (type === 'D') results.at(-1)?.push(readRow(body))
    else if (type === 'Z' && refusal !== undefined) throw refusal
    else if (type === 'Z') return results
  }
}

/** TLS if the URL asks for it and the server has it. */
export async function encrypt(fresh: Duplex, upstream: Upstream, signal: AbortSignal): Promise<Duplex> {
  const mode = upstream.url.searchParams.get('sslmode') ?? 'prefer'
  fresh.on('error', () => undefined)
  if (mode === 'disable') return fresh
  fresh.write(opening(CODE.ssl))
  const answer = (await take(fresh, 1, signal)).toString('latin1')
  // What came with the answer came unencrypted, from whoever was in between.
  if (fresh.readableLength > 0) throw noTls(upstream, 'it sent more than its answer to the wish for TLS')
  if (answer !== 'S') {
    if (mode === 'prefer' || mode === 'allow') return fresh
    throw noTls(upstream, `it has no TLS, and its URL says sslmode=${mode}`)
  }
  const trust = mode === 'verify-full' ? 'name' : mode === 'verify-ca' || upstream.ca !== undefined ? 'authority' : 'none'
  try {
    return await secure(fresh, upstream, trust, signal)
  } catch (cause) {
    signal.throwIfAborted()
    throw noTls(upstream, (cause as Error).message, cause)
  }
}

function noTls({ label }: Upstream, why: string, cause?: unknown): ShivError {
  return new ShivError(`${label} cannot be spoken to over TLS: ${why}.`, {
    code: 'DEPENDENCY_TLS',
    hint: 'name its authority with ca, or the way of encryption in its URL: ?sslmode=require',
    cause,
  })
}

async function authenticate(socket: Duplex, upstream: Upstream, login: Login, signal: AbortSignal): Promise<void> {
  const { user } = login
  const password = (): string => {
    if (login.password !== undefined) return login.password
    throw new PostgresRefusal('28000', `it asks for the password of ${user}, and none is configured`)
  }
  let scram: ReturnType<typeof scramClient> | undefined
  for (;;) {
    const { type, body } = await next(socket, signal)
    if (type !== 'R') continue
    const kind = body.readInt32BE(0)
    if (kind === 0) return
    if (kind === 3) {
      if (!isPrivate(socket, upstream)) {
        throw new PostgresRefusal('28000', 'it asks for the password in clear text without TLS; its URL may say sslmode=require')
      }
      socket.write(message('p', `${password()}\0`))
    } else if (kind === 5) {
      socket.write(message('p', `${md5Answer(user, password(), body.subarray(4, 8))}\0`))
    } else if (kind === 10) {
      if (!body.toString('utf8', 4).split('\0').includes('SCRAM-SHA-256')) throw otherKind('SASL without SCRAM-SHA-256')
      scram = scramClient(password())
      socket.write(message('p', 'SCRAM-SHA-256\0', int32(Buffer.byteLength(scram.first)), scram.first))
    } else if (kind === 11 && scram) socket.write(message('p', await scram.answer(body.toString('utf8', 4))))
    else if (kind === 12 && scram) scram.verify(body.toString('utf8', 4))
    else throw otherKind(`kind ${kind}`)
  }
}

function otherKind(kind: string): PostgresRefusal {
  return new PostgresRefusal('28000', `it asks for a login (${kind}) that is not spoken here`)
}

/** Whether nobody in between can read what is sent. */
function isPrivate(socket: Duplex, upstream: Upstream): boolean {
  const isLoopback = /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(upstream.url.hostname)
  return 'encrypted' in socket || upstream.connect !== undefined || isLoopback
}

/** The server's next message on a session that nobody else reads. */
export async function nextMessage(socket: Duplex, signal: AbortSignal): Promise<{ type: string; body: Buffer }> {
  const head = await take(socket, 5, signal)
  const length = head.readInt32BE(1) - 4
  if (length < 0 || length > LONGEST) throw new Error('it does not speak the protocol of Postgres')
  return { type: String.fromCharCode(head[0]!), body: length === 0 ? Buffer.alloc(0) : await take(socket, length, signal) }
}

async function next(socket: Duplex, signal: AbortSignal): Promise<{ type: string; body: Buffer }> {
  const { type, body } = await nextMessage(socket, signal)
  if (type !== 'E') return { type, body }
  const fields = readErrorFields(body)
  throw new PostgresRefusal(fields.get('C') ?? 'XX000', fields.get('M') ?? 'the server refused')
}
