import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)

/** More would only keep this process busy; servers ask for 4,096. */
const MOST_ITERATIONS = 1_000_000

/** The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. */
export interface ScramClient {
  first: string
  /** The answer to the server's first message. Throws when that belongs to another login. */
  answer(challenge: string): Promise<string>
  /** Throws unless the server knows the password too. */
  verify(final: string): void
}

export function scramClient(password: string): ScramClient {
  const nonce = randomBytes(18).toString('base64')
  const bare = `n=,r=${nonce}`
  let expected: Buffer | undefined
  return {
    first: `n,,${bare}`,
    async answer(challenge) {
      const fields = fieldsOf(challenge)
      const [r = '', s = '', i = ''] = [fields.get('r'), fields.get('s'), fields.get('i')]
      const rounds = Number(i)
      if (!r.startsWith(nonce) || r === nonce || s === '') throw new Error('the server answers to another login')
      if (!Number.isInteger(rounds) || rounds < 1 || rounds > MOST_ITERATIONS)
        throw new Error(`the server asks for ${i} iterations`)
      const salted = await derive(password.normalize('NFKC'), Buffer.from(s, 'base64'), rounds, 32, 'sha256')
      const clientKey = hmac(salted, 'Client Key')
      const withoutProof = `c=biws,r=${r}`
      const auth = `${bare},${challenge},${withoutProof}`
      const proof = xor(clientKey, hmac(sha256(clientKey), auth))
      expected = hmac(hmac(salted, 'Server Key'), auth)
      return `${withoutProof},p=${proof.toString('base64')}`
    },
    verify(final) {
      const given = Buffer.from(fieldsOf(final).get('v') ?? '', 'base64')
      if (expected === undefined || given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw new Error('the server does not know the password')
      }
    },
  }
}

/** The server's half, for clients that must know `password`. */
export interface ScramServer {
  /** The answer to the client's first message. Throws when that is not SCRAM without channel binding. */
  challenge(first: string): Promise<string>
  /** The last message; undefined when the password was another one. */
  accept(final: string): string | undefined
}

export function scramServer(password: string): ScramServer {
  const salt = randomBytes(16)
  const rounds = 4_096
  let [bare, server, nonce] = ['', '', '']
  let salted: Buffer = Buffer.alloc(0)
  return {
    async challenge(first) {
      const opened = /^[ny],,(.*)$/s.exec(first)
      bare = opened?.[1] ?? ''
      const theirs = fieldsOf(bare).get('r')
      if (theirs === undefined || theirs === '') throw new Error('not a SCRAM login')
      nonce = theirs + randomBytes(18).toString('base64')
      salted = await derive(password.normalize('NFKC'), salt, rounds, 32, 'sha256')
      server = `r=${nonce},s=${salt.toString('base64')},i=${rounds}`
      return server
    },
    accept(final) {
      const [withoutProof = '', given = ''] = final.split(/,p=(?=[^,]*$)/)
      const fields = fieldsOf(withoutProof)
      const auth = `${bare},${server},${withoutProof}`
      const storedKey = sha256(hmac(salted, 'Client Key'))
      const proof = Buffer.from(given, 'base64')
      if (fields.get('r') !== nonce || proof.length !== storedKey.length) return undefined
      const clientKey = xor(proof, hmac(storedKey, auth))
      if (!timingSafeEqual(sha256(clientKey), storedKey)) return undefined
      return `v=${hmac(hmac(salted, 'Server Key'), auth).toString('base64')}`
    },
  }
}

/** The answer to AuthenticationMD5Password. */
export function md5Answer(user: string, password: string, salt: Buffer): string {
  const inner = createHash('md5').update(password).update(user).digest('hex')
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`
}

function fieldsOf(text: string): Map<string, string> {
  return new Map(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)))
}
