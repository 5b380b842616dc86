import { setTimeout as sleep } from 'node:timers/promises'

/** Polls until `look` gives something; throws after 25 s, saying what did not come. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false, what: string): Promise<T> {
  const deadline = Date.now() + 25_000
  while (Date.now() < deadline) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await sleep(10)
  }
  throw new Error(`waited in vain until ${what}`)
}
