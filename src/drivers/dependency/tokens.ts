import { ShivError } from '../../core/errors.ts'
import type { AuthSource } from '../../plan/remote.ts'
import type { Caller } from '../caller.ts'
import { readSecret } from '../read-secret.ts'
import { accessOf } from '../kubernetes/kubeconfig.ts'
import { findContext } from './user-kubeconfig.ts'

export interface Token {
  token: string
  /** Epoch milliseconds; absent: it does not say. */
  expiresAt?: number
}

/**
 * Asks for a bearer token on behalf of a caller: a command without a shell, a variable, or the token or credential plugin of a kubeconfig's
 * context. Throws DEPENDENCY_COMMAND_FAILED, DEPENDENCY_TOKEN_FAILED, DEPENDENCY_CONTEXT_UNKNOWN and KUBE_CONFIG_INVALID; no message holds a credential.
 */
export async function askForToken(source: AuthSource, caller: Caller, signal: AbortSignal): Promise<Token> {
  const token = await askFor(source, caller, signal)
  caller.conceal?.(token.token)
  if (token.expiresAt !== undefined && token.expiresAt <= Date.now()) throw expired()
  return token
}

async function askFor(source: AuthSource, caller: Caller, signal: AbortSignal): Promise<Token> {
  const { bearer } = source
  if ('command' in bearer) return readToken(await readSecret(bearer.command, caller, { what: 'The token', signal }))
  if ('env' in bearer) {
    const value = caller.environment[bearer.env]?.trim()
    if (value) return readToken(value)
    throw new ShivError(`${bearer.env}, which the token comes from, is not set.`, {
      code: 'DEPENDENCY_TOKEN_FAILED',
      exit: 2,
      hint: `export ${bearer.env}=… && shiv start`,
    })
  }
  const { token, expires } = await accessOf(await findContext(bearer.kubeContext, caller), caller, signal)
  if (token !== undefined) return tokenOf(token, expires)
  throw new ShivError(`The context "${bearer.kubeContext}" proves who you are by a certificate: there is no token to send.`, {
    code: 'DEPENDENCY_TOKEN_FAILED',
    exit: 2,
    hint: 'take the token from a command: auth: { bearer: { command: [...] } }',
  })
}

/** A bare token, a JSON object of an OAuth token endpoint, or an ExecCredential. */
function readToken(text: string): Token {
  if (!text.startsWith('{')) return tokenOf(text)
  const answer = parseObject(text)
  const status = (answer?.['status'] ?? {}) as Record<string, unknown>
  const value = [answer?.['access_token'], answer?.['token'], answer?.['accessToken'], status['token']].find(
    (one) => typeof one === 'string' && one !== '',
  ) as string | undefined
  if (value === undefined) throw noToken()
  const lifetime = Number(answer?.['expires_in'])
  const stamp = Date.parse(String(status['expirationTimestamp'] ?? answer?.['token_expiry'] ?? answer?.['expiresOn']))
  return tokenOf(value, lifetime > 0 ? Date.now() + lifetime * 1_000 : Number.isNaN(stamp) ? undefined : stamp)
}

function tokenOf(value: string, expires: number | undefined = jwtExpiry(value)): Token {
  return { token: headerSafe(value), ...(expires !== undefined && { expiresAt: expires }) }
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
