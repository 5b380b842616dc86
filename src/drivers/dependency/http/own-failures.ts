import type { Course, UpstreamParts } from './course.ts'
import type { Failure } from './failure.ts'

/** Failures that have their cause here and not upstream. */

export function grpcOnly(name: string): Failure {
  return {
    status: 400,
    code: 'PROXY_GRPC_ONLY',
    message: `${name} speaks gRPC, which needs HTTP/2; this request is HTTP/1.`,
    cause: 'HTTP/1',
    hint: 'let the client use HTTP/2 without TLS (h2c, "insecure" or "plaintext" in gRPC libraries)',
  }
}

export function noUpstream({ setting: { name, mode } }: Course): Failure {
  return {
    status: 502,
    code: 'PROXY_NO_UPSTREAM',
    message: `${name} is in mode ${mode}, and nothing is known to be behind it.`,
    cause: 'no upstream',
    hint: `shiv proxy mode ${name} staging`,
  }
}

export function breakerOpen({ upstream: { label } }: UpstreamParts, waitMs: number): Failure {
  return {
    status: 503,
    code: 'PROXY_BREAKER_OPEN',
    message: `${label} failed again and again, so it is left alone for ${Math.ceil(waitMs)} ms more.`,
    cause: 'circuit breaker open',
    hint: 'shiv proxy shows its last error',
  }
}

export function faultFailure(status: number, name: string): Failure {
  return {
    status,
    code: 'PROXY_FAULT',
    message: `This error is a fault that was asked for of ${name}.`,
    cause: 'faults.errorRate',
    hint: 'take it out of the faults of the dependency when it is no longer wanted',
  }
}

export function tooLargeToKeep(): Failure {
  return {
    status: 502,
    code: 'PROXY_BODY_TOO_LARGE',
    message: 'Nothing that was recorded fits, and the body of the request is too large to be kept for the upstream.',
    cause: 'more than 64 MiB',
    hint: 'record it in mode record, where bodies are streamed',
  }
}
