import { execa } from 'execa'
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { embeddedPostgres } from '../../src/drivers/database/embedded-postgres.ts'
import { queryPostgres } from '../../src/drivers/database/postgres-client.ts'
import { isRoot, pickUnprivilegedUser } from '../../src/drivers/database/unprivileged.ts'
import { freePort } from '../../test/support/free-port.ts'

export interface PostgresServer {
  host: string
  port: number
  user: string
  password: string
  database: string
  end(): Promise<void>
}

/** A Postgres of the measure's own, without fsync. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-bench-postgres-'))
  const as = isRoot() ? pickUnprivilegedUser(folder) : undefined
  chmodSync(folder, 0o755)
  const server = await embeddedPostgres(join(folder, 'home'), as)
  if (server === undefined) throw new Error('there is no embedded Postgres for this system')
  const login = { host: '127.0.0.1', port: await freePort(), user: 'owner', password: 'owner', database: 'postgres' }
  const [data, passwordFile] = [join(folder, 'data'), join(folder, 'password')]
  writeFileSync(passwordFile, login.password)
  if (as) for (const path of [folder, passwordFile]) chownSync(path, as.uid, as.gid)
  const options = { cwd: folder, ...as }
  const words = [`--pgdata=${data}`, `--username=${login.user}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--no-sync']
  await execa(join(dirname(server), 'initdb'), words, options)
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'shared_buffers=256MB']
  const argv = ['-D', data, '-p', String(login.port), ...settings.flatMap((setting) => ['-c', setting])]
  const child = spawn(server, argv, { ...options, stdio: 'ignore' })
  while (
    !(await queryPostgres(login, 'select 1', AbortSignal.timeout(1_000)).then(
      () => true,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error('Postgres ended at once')
    await sleep(50)
  }
  return {
    ...login,
    async end() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGINT')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
