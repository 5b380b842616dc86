import { execFile } from 'node:child_process'
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
const COMMAND_TIMEOUT_MS = 30_000
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

/** Reads tokens of commands and of the environment; a kubeconfig's context is left to `ofContext`. */
export function createTokenReader(environment: NodeJS.ProcessEnv, ofContext?: ReadToken): ReadToken {
  return async (source, signal) => {
    const { bearer } = source
    if ('env' in bearer) {
      const token = environment[bearer.env]?.trim()
      if (token) return { token: checked(token, `the variable ${bearer.env}`) }
      throw tokenError(`The variable ${bearer.env} holds no token.`, `export ${bearer.env}=…, then start again`)
    }
    if ('command' in bearer)
      return { token: checked(await outputOf(bearer.command, environment, signal), `the command ${bearer.command[0]}`) }
    if (ofContext) return ofContext(source, signal)
    throw tokenError(
      `The token of the context ${bearer.kubeContext} cannot be read here.`,
      `kubectl --context ${bearer.kubeContext} auth whoami`,
    )
  }
}

/** What the command prints, run without a shell. Its output and its arguments are in no message: both may hold secrets. */
function outputOf([file = '', ...args]: string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { env, signal, timeout: COMMAND_TIMEOUT_MS, maxBuffer: 1_048_576, encoding: 'utf8' },
      (error, stdout) => {
        if (!error) return resolve(stdout.trim())
        const { code, killed } = error as { code?: string | number | null; killed?: boolean }
        const why =
          code === 'ENOENT'
            ? 'is not there'
            : killed
              ? `did not end within ${COMMAND_TIMEOUT_MS / 1_000} s`
              : `ended with ${code ?? 'a signal'}`
        reject(tokenError(`The command ${file}, which prints the token, ${why}.`, `run it by hand; a login may have run out`))
      },
    )
    child.stdin?.end()
  })
}

function checked(token: string, from: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw tokenError(`What ${from} gives is not a token.`, 'it must be one word of ASCII, and nothing else')
}

function tokenError(message: string, hint: string): ShivError {
  return new ShivError(message, { code: 'PROXY_TOKEN', hint })
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
