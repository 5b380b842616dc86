import { ShivError } from '../../core/errors.ts'
import type { AuthSource } from '../../plan/remote.ts'
import type { Caller } from './caller.ts'
import { readSecret } from './read-secret.ts'
import { accessOf, findContext } from './user-kubeconfig.ts'

/** A bearer token, kept in memory only and asked for again before it expires. */
export interface TokenSource {
  /** One that has not expired. Callers at the same moment share one asking. Throws ShivError when none can be had. */
  token(signal: AbortSignal): Promise<string>
  /** The upstream did not take it: the next caller gets another one, if it is not yet another. */
  refuse(token: string): void
}

interface Token {
  value: string
  /** Epoch milliseconds; undefined: it does not say. */
  expires: number | undefined
}

/** A token that does not say how long it lives is asked for again after so long. */
const UNTOLD_MS = 5 * 60_000
/** It is renewed so long before its end, or in the last tenth of its life where that is shorter. */
const MARGIN_MS = 60_000
/** No longer than this for one asking, whoever waits for it. */
const ASK_MS = 35_000

export function createTokenSource(source: AuthSource, caller: Caller, now: () => number = Date.now): TokenSource {
  let held: (Token & { renewAt: number }) | undefined
  let asking: Promise<string> | undefined

  const ask = async (): Promise<string> => {
    try {
      const token = await askFor(source, caller, AbortSignal.timeout(ASK_MS), now())
      const expires = token.expires ?? now() + UNTOLD_MS
      caller.conceal?.(token.value)
      if (expires <= now()) throw expired()
      held = { ...token, renewAt: expires - Math.min(MARGIN_MS, (expires - now()) / 10) }
      return token.value
    } catch (error) {
      // What is still good is better than none, and the next caller asks again.
      if (held !== undefined && (held.expires ?? Number.POSITIVE_INFINITY) > now()) return held.value
      throw error
    } finally {
      asking = undefined
    }
  }
  return {
    async token(signal) {
      if (held !== undefined && held.renewAt > now()) return held.value
      return untilAborted((asking ??= ask()), signal)
    },
    refuse(token) {
      if (held?.value === token) held = undefined
    },
  }
}

async function askFor(source: AuthSource, caller: Caller, signal: AbortSignal, time: number): Promise<Token> {
  const { bearer } = source
  if ('command' in bearer) return readToken(await readSecret(bearer.command, caller, { what: 'The token', signal }), time)
  if ('env' in bearer) {
    const value = caller.environment[bearer.env]?.trim()
    if (value) return readToken(value, time)
    throw new ShivError(`${bearer.env}, which the token comes from, is not set.`, {
      code: 'DEPENDENCY_TOKEN_FAILED',
      exit: 2,
      hint: `export ${bearer.env}=… && shiv start`,
    })
  }
  const { access, expires } = await accessOf(await findContext(bearer.kubeContext, caller), caller, signal)
  if (access.token !== undefined) return { value: headerSafe(access.token), expires: expires ?? jwtExpiry(access.token) }
  throw new ShivError(`The context "${bearer.kubeContext}" proves who you are by a certificate: there is no token to send.`, {
    code: 'DEPENDENCY_TOKEN_FAILED',
    exit: 2,
    hint: 'take the token from a command: auth: { bearer: { command: [...] } }',
  })
}

/** A bare token, a JSON object of an OAuth token endpoint, or an ExecCredential. */
function readToken(text: string, time: number): Token {
  if (!text.startsWith('{')) return { value: headerSafe(text), expires: jwtExpiry(text) }
  const answer = parseObject(text)
  const status = (answer?.['status'] ?? {}) as Record<string, unknown>
  const value = [answer?.['access_token'], answer?.['token'], answer?.['accessToken'], status['token']].find(
    (one) => typeof one === 'string' && one !== '',
  ) as string | undefined
  if (value === undefined) throw noToken()
  const lifetime = Number(answer?.['expires_in'])
  const stamp = Date.parse(String(status['expirationTimestamp'] ?? answer?.['token_expiry'] ?? answer?.['expiresOn']))
  const expires = lifetime > 0 ? time + lifetime * 1_000 : Number.isNaN(stamp) ? jwtExpiry(value) : stamp
  return { value: headerSafe(value), expires }
}

/** A line break or a control character would end the header, and begin another one. */
function headerSafe(value: string): string {
  if (/^[\x21-\x7e]+$/.test(value)) return value
  throw noToken()
}

/** The `exp` claim, where the token is a JWT. It is not verified: that is the upstream's business. */
function jwtExpiry(token: string): number | undefined {
  const claims = token.split('.')[1]
  if (claims === undefined) return undefined
  const exp = parseObject(Buffer.from(claims, 'base64url').toString('utf8'))?.['exp']
  return typeof exp === 'number' ? exp * 1_000 : undefined
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined // no JSON: the caller goes on without
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function noToken(): ShivError {
  return new ShivError(
    'What was printed for a token is none: it must be one word, or JSON with access_token, token or status.token.',
    {
      code: 'DEPENDENCY_TOKEN_FAILED',
      hint: 'run the command that shiv.yaml names yourself and look at what it prints',
    },
  )
}

function expired(): ShivError {
  return new ShivError('The token that was handed out has expired already.', {
    code: 'DEPENDENCY_TOKEN_FAILED',
    hint: 'log in again as your platform team tells, then send the request again',
  })
}
