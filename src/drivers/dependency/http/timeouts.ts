import type { Upstream } from '../../../engine/dependency-ports.ts'
import type { Failure } from './failure.ts'

const WORDS = {
  headers: { code: 'PROXY_HEADERS_TIMEOUT', what: 'did not begin its answer' },
  idle: { code: 'PROXY_IDLE_TIMEOUT', what: 'and the service moved no byte' },
  total: { code: 'PROXY_TOTAL_TIMEOUT', what: 'did not end its answer' },
}

/** A limit of the rules is over. */
export function timeoutFailure(which: keyof typeof WORDS, ms: number, { label, url }: Upstream): Failure {
  const { code, what } = WORDS[which]
  return {
    status: 504,
    code,
    message: `${label} ${what} within ${ms} ms.`,
    cause: `${which} timeout`,
    hint: `if it needs longer, raise timeouts.${which} of the dependency; how it is now: curl -sv ${url.origin}/`,
  }
}
