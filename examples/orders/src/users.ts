import { config } from './config.js'
import { log, messageOf } from './log.js'

export interface User {
  id: number
  name: string
}

/** The users of user-service; undefined where it is not named or does not answer in a second. */
export async function fetchUsers(): Promise<User[] | undefined> {
  if (!config.userServiceUrl) return undefined
  try {
    const response = await fetch(new URL('/users', config.userServiceUrl), { signal: AbortSignal.timeout(1000) })
    if (!response.ok) throw new Error(`it answered ${response.status}`)
    return (await response.json()) as User[]
  } catch (error) {
    log('warn', 'user-service does not answer', { url: config.userServiceUrl, error: messageOf(error) })
    return undefined
  }
}
