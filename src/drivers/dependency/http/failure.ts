/** What went wrong with one request, in the form in which the service is told. */
export interface Failure {
  /** HTTP status. */
  status: number
  /** Stable; in docs/errors.md. */
  code: string
  /** A sentence about this case. */
  message: string
  /** What the system said: `ECONNREFUSED`, `certificate has expired`. */
  cause?: string
  /** Works when pasted. */
  hint?: string
  /** Further members of the problem's body. */
  details?: Record<string, unknown>
}

/** Carries a Failure where an exception is the way out. */
export class FailureError extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.name = 'FailureError'
    this.failure = failure
  }
}
