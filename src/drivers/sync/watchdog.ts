import type { Agent } from './agent.ts'

const EVERY_MS = 10_000
/** An agent that is unpacking or hashing much answers later. */
const PATIENCE_MS = 120_000

/** Closes a stream that only seems to be one, so that the next save finds a new one. Returns how to stop. */
export function watchOver(agent: Agent): () => void {
  let askedAt: number | undefined
  const look = () => {
    if (askedAt !== undefined) {
      if (performance.now() - askedAt > PATIENCE_MS) agent.close()
      return
    }
    askedAt = performance.now()
    agent.ping().then(
      () => (askedAt = undefined),
      () => {}, // the stream is lost, which whoever holds it hears
    )
  }
  const timer = setInterval(look, EVERY_MS).unref()
  return () => clearInterval(timer)
}
