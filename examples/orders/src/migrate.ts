import { awaitDatabase, pool } from './database.js'
import { log } from './log.js'

/** Runs to its end before any replica gets traffic; safe to run again, and beside itself. */
await awaitDatabase(30)
const client = await pool.connect()
await client.query('BEGIN')
await client.query(`SELECT pg_advisory_xact_lock(hashtext('orders'))`)
await client.query(`
  CREATE TABLE IF NOT EXISTS orders (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer   text NOT NULL,
    item       text NOT NULL,
    quantity   integer NOT NULL CHECK (quantity BETWEEN 1 AND 999),
    placed_at  timestamptz NOT NULL DEFAULT now(),
    placed_by  text NOT NULL,
    shipped_at timestamptz
  )`)
await client.query('COMMIT')
client.release()
await pool.end()
log('info', 'the schema is up to date')
