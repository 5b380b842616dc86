import { ShivError } from '../../../core/errors.ts'
import type { AuthSource } from '../../../plan/remote.ts'

export interface Token {
  token: string
  /** Epoch milliseconds. */
  expiresAt?: number
}

/** Reads a token from where it comes from; rejects with a ShivError that names no secret. */
export type ReadToken = (source: AuthSource, signal: AbortSignal) => Promise<Token>

const REFRESH_BEFORE_MS = 60_000
const KEPT_WITHOUT_EXPIRY_MS = 300_000
/** A 401 that a new token does not mend must not run the command at every request. */
const FORCED_AT_MOST_EVERY_MS = 5_000

/** The token of one dependency, in memory only. */
export interface Bearer {
  /** The present one, or a promise of the first or next. */
  get(): string | Promise<string>
  /** `used` was answered with 401: a promise of another one, or undefined when that was tried just now. */
  renew(used: string): Promise<string> | undefined
  close(): void
}

export function createBearer(source: AuthSource, read: ReadToken, now: () => number = Date.now): Bearer {
  const closing = new AbortController()
  let current: (Token & { refreshAt: number; expiresAt: number }) | undefined
  let reading: Promise<string> | undefined
  let forcedAt = -Infinity

  const refresh = (): Promise<string> => {
    reading ??= read(source, closing.signal)
      .then((token) => {
        const expiresAt = token.expiresAt ?? expiryOf(token.token) ?? now() + KEPT_WITHOUT_EXPIRY_MS
        // Of one that lives shorter than the margin, the last half is the margin.
        const margin = Math.min(REFRESH_BEFORE_MS, (expiresAt - now()) / 2)
        current = { token: token.token, expiresAt, refreshAt: expiresAt - margin }
        return token.token
      })
      .finally(() => (reading = undefined))
    return reading
  }

  return {
    get() {
      if (current === undefined || now() >= current.expiresAt) return refresh()
      // Ahead of time beside the requests; whether it fails shows when the old one has expired.
      if (now() >= current.refreshAt) refresh().catch(() => {})
      return current.token
    },
    renew(used) {
      if (current !== undefined && current.token !== used) return Promise.resolve(current.token)
      if (now() - forcedAt < FORCED_AT_MOST_EVERY_MS) return undefined
      forcedAt = now()
      current = undefined
      return refresh()
    },
    close: () => closing.abort(),
  }
}

/** For those who have no tokens to give. */
export const noTokens: ReadToken = async () => {
  throw new ShivError('No token can be had here.', { code: 'DEPENDENCY_TOKEN_FAILED', hint: 'shiv start' })
}

/** A JSON Web Token says itself when it ends; milliseconds. */
function expiryOf(token: string): number | undefined {
  const payload = token.split('.')[1]
  if (payload === undefined) return undefined
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1_000 : undefined
  } catch {
    return undefined // another kind of token
  }
}
