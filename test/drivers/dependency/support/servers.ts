import { execa } from 'execa'
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { embeddedPostgres } from '../../../../src/drivers/database/embedded-postgres.ts'
import { findServer } from '../../../../src/drivers/database/find-program.ts'
import { askRedis } from '../../../../src/drivers/database/redis-client.ts'
import { isRoot, pickUnprivilegedUser } from '../../../../src/drivers/database/unprivileged.ts'
import { freePort } from '../../../support/free-port.ts'
import { until } from './until.ts'

export interface TestServer {
  port: number
  folder: string
  child: ChildProcess
  end(): Promise<void>
}

export const OWNER = { user: 'owner', password: 'owner-secret' }

/** A real Postgres of its own with SCRAM logins; `hba` replaces the rules of who may log in how, `before` is given a folder of the server's user. */
export async function startPostgres(
  options: { hba?: string; settings?: string[]; before?(folder: string): void } = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-postgres-'))
  const user = isRoot() ? pickUnprivilegedUser(folder) : undefined
  chmodSync(folder, 0o755)
  if (user) chownSync(folder, user.uid, user.gid)
  const server = await embeddedPostgres(join(folder, 'home'), user)
  if (server === undefined) throw new Error('there is no embedded Postgres for this system')
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, OWNER.password)
  if (user) chownSync(passwordFile, user.uid, user.gid)
  const as = { cwd: folder, ...user }
  const initdb = [`--pgdata=${data}`, `--username=${OWNER.user}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  await execa(join(dirname(server), 'initdb'), [...initdb, '--encoding=UTF8', '--locale=C', '--no-sync'], as)
  if (options.hba) writeFileSync(join(data, 'pg_hba.conf'), options.hba)
  options.before?.(data)
  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', ...(options.settings ?? [])]
  const child = spawn(server, ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])], {
    ...as,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await until(() => {
    if (child.exitCode !== null) throw new Error(`Postgres ended: ${said}`)
    return said.includes('ready to accept connections')
  }, 'Postgres is ready')
  return { port, folder, child, end: () => endServer(child, 'SIGINT', folder) }
}

/** A real Redis of its own. */
export async function startRedis(password = 'redis-secret'): Promise<TestServer> {
  const server = findServer('redis-server', process.env['PATH'])
  if (server === undefined) throw new Error('redis-server is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'shiv-redis-'))
  mkdirSync(join(folder, 'data'))
  const port = await freePort()
  const argv = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    join(folder, 'data'),
    '--save',
    '',
    '--requirepass',
    password,
  ]
  const child = spawn(server, argv, { stdio: 'ignore', cwd: folder })
  const address = { host: '127.0.0.1', port, password }
  await until(
    () =>
      askRedis(address, ['PING'], AbortSignal.timeout(1_000)).then(
        (answer) => answer === 'PONG',
        () => false,
      ),
    'Redis is ready',
  )
  return { port, folder, child, end: () => endServer(child, 'SIGTERM', folder) }
}

/** One query as the owner, past everything. */
export async function asOwner(port: number, sql: string, database = 'postgres'): Promise<pg.QueryResult> {
  const client = new pg.Client({ host: '127.0.0.1', port, ...OWNER, database })
  await client.connect()
  try {
    return await client.query(sql)
  } finally {
    await client.end()
  }
}

async function endServer(child: ChildProcess, signal: NodeJS.Signals, folder: string): Promise<void> {
  const gone = new Promise<void>((resolve) =>
    child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve()),
  )
  child.kill(signal)
  await gone
  rmSync(folder, { recursive: true, force: true })
}
