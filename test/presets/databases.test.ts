import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { docker, dockerMissing, fill, readPreset, runRestricted, waitFor, type Written } from './presets.ts'

const missing = await dockerMissing()
if (missing) console.warn(`skipped: database containers are not run, ${missing}`)

const password = randomBytes(12).toString('hex')
const made: { containers: string[]; volumes: string[] } = { containers: [], volumes: [] }

afterAll(async () => {
  if (missing) return
  for (const id of made.containers) await docker('rm', '-f', '-v', id)
  for (const name of made.volumes) await docker('volume', 'rm', '-f', name)
})

/** Runs the preset's container on a volume of its own, writable nowhere but where the preset says. */
async function start(preset: Written, volume: string): Promise<string> {
  const { user, container, credentials } = preset
  const values = { ...credentials, password, port: String(preset['port']), data: preset['data_path'] }
  const env = Object.entries<string>(container.env).flatMap(([name, value]) => ['-e', `${name}=${fill(value, values)}`])
  const writable = (container.writable_paths as string[]).map((path) => `--tmpfs=${path}:mode=1777`)
  const [entrypoint, ...rest] = (container.command ?? []).map((word: string) => fill(word, values))
  const options = [
    ...env,
    ...writable,
    '-v',
    `${volume}:${preset['data_path']}`,
    ...(entrypoint ? ['--entrypoint', entrypoint] : []),
  ]
  const id = await runRestricted(fill(preset['image'], { version: preset['version'] }), user, options, rest)
  made.containers.push(id)
  await waitFor(id, async () => (await isHealthy(preset, id)) || undefined)
  return id
}

async function isHealthy(preset: Written, id: string): Promise<boolean> {
  const values = { ...preset['credentials'], port: String(preset['port']) }
  const { exitCode } = await docker('exec', id, ...preset['health'].command.map((word: string) => fill(word, values)))
  return exitCode === 0
}

/** A volume that the preset's user may write to, as fsGroup makes it in a cluster, with the lost+found that real volumes have. */
async function makeVolume(preset: Written): Promise<string> {
  const { stdout } = await docker('volume', 'create')
  made.volumes.push(stdout)
  const prepare = `mkdir -p /volume/lost+found && chown ${preset['user']}:${preset['user']} /volume && chmod 0775 /volume`
  const { exitCode, all } = await docker('run', '--rm', '-v', `${stdout}:/volume`, 'debian:bookworm-slim', 'sh', '-c', prepare)
  expect(exitCode, all).toBe(0)
  return stdout
}

const cases = [
  {
    name: 'postgres',
    write: ['psql', '-qtAU', 'app', 'app', '-c', 'create table t (n int); insert into t values (42)'],
    read: ['psql', '-qtAU', 'app', 'app', '-c', 'select n from t'],
    stranger: ['sh', '-c', 'PGPASSWORD=wrong psql -h 127.0.0.1 -qtAU app app -c "select 1" 2>&1'],
    refusal: /authentication failed/,
  },
  {
    name: 'redis',
    write: ['redis-cli', 'set', 'n', '42'],
    read: ['redis-cli', 'get', 'n'],
    stranger: ['sh', '-c', 'unset REDISCLI_AUTH; redis-cli get n'],
    refusal: /NOAUTH/,
  },
]

describe.each(cases)('$name', ({ name, write, read, stranger, refusal }) => {
  const preset = readPreset('databases', name)

  test.skipIf(missing)(
    'runs under the restricted policy, asks for its password and keeps its data',
    { timeout: 180_000 },
    async () => {
      const volume = await makeVolume(preset)
      const first = await start(preset, volume)
      expect((await docker('exec', first, ...write)).exitCode).toBe(0)
      expect((await docker('exec', first, ...stranger)).all).toMatch(refusal)
      expect((await docker('top', first, '-eo', 'args')).stdout).not.toContain(password)
      await docker('stop', '-t', '30', first)

      const second = await start(preset, volume)
      expect((await docker('exec', second, ...read)).stdout).toBe('42')
    },
  )
})

describe('a database type is a file', () => {
  test.each(['postgres', 'redis', 'mysql', 'mongodb'])('%s offers its URL and never puts its password in argv', (name) => {
    const preset = readPreset('databases', name)
    expect(preset['name']).toBe(name)
    expect(Object.values(preset['offers'])).toEqual(expect.arrayContaining(['url', 'host', 'port', 'password']))
    const { container, process } = preset
    const argv = [container.command, container.args, preset['health'].command, process?.run, process?.init]
    expect(JSON.stringify(argv)).not.toContain('${password}')
  })
})
