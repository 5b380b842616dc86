import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { config } from './config.js'
import { log, messageOf } from './log.js'

export const pool = new pg.Pool({ connectionString: config.databaseUrl, max: 10, connectionTimeoutMillis: 5_000 })
pool.on('error', (error) => log('warn', 'an idle database connection was lost', { error: error.message }))

/** Host, port and database, never the credentials. */
export const databaseAddress = (() => {
  const { host, pathname } = new URL(config.databaseUrl)
  return host + pathname
})()

/** Waits until the database answers, for at most `seconds`. */
export async function awaitDatabase(seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2000)) {
    try {
      await pool.query('SELECT 1')
      return
    } catch (error) {
      if (Date.now() + pauseMs > deadline) throw error
      log('warn', 'the database does not answer yet', { error: messageOf(error) })
      await sleep(pauseMs)
    }
  }
}
