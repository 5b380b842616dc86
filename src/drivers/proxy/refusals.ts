import type { Answer } from './answers.ts'
import type { Route, Turn } from './route.ts'

/** What a client is told when its request found no endpoint. */
export function refusalOf(route: Route, refused: Extract<Turn, { refused: string }>['refused'], seconds: number): Answer {
  const { service } = route
  switch (refused) {
    case 'full':
      return { status: 503, code: 'TOO_MANY_WAITING', message: `Too many requests already wait for ${service} to be ready.` }
    case 'removed':
      return { status: 503, code: 'SERVICE_STOPPED', message: `${service} was stopped.`, hint: `shiv start ${service}` }
    case 'gone':
    case 'timeout':
      return {
        status: 503,
        code: 'SERVICE_NOT_READY',
        message: `${service} had no ready replica for ${seconds} s.`,
        hint: `shiv status shows why; shiv logs ${service} what it says`,
      }
    default:
      return refused satisfies never
  }
}

export function unreachable(route: Route, cause: Error): Answer {
  return {
    status: 502,
    code: 'UPSTREAM_FAILED',
    message: `${route.service} did not answer: ${cause.message}`,
    hint: `shiv logs ${route.service}`,
  }
}
