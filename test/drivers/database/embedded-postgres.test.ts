import { execa } from 'execa'
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { embeddedPostgres } from '../../../src/drivers/database/embedded-postgres.ts'
import { canReach, isRoot, pickUnprivilegedUser } from '../../../src/drivers/database/unprivileged.ts'
import { bundle } from '../process/world.ts'

const packaged = (() => {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)))
  } catch {
    return undefined // this system has no such package
  }
})()

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'shiv-embedded-'))
  chmodSync(base, 0o755)
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

describe.skipIf(packaged === undefined)(
  packaged ? 'the embedded Postgres' : 'the embedded Postgres (skipped: no package for this system)',
  () => {
    test('is used where it lies when it is whole', async () => {
      expect(await embeddedPostgres(join(base, 'home'), undefined)).toBe(join(packaged!, 'native', 'bin', 'postgres'))
      expect(existsSync(join(base, 'home'))).toBe(false)
    })

    test('is completed in a copy, never in node_modules, when npm did not run its install script', async () => {
      // As npm leaves it: files, without the links of the package's list.
      const bare = join(base, 'bare')
      mkdirSync(bare)
      cpSync(join(packaged!, 'package.json'), join(bare, 'package.json'))
      cpSync(join(packaged!, 'native'), join(bare, 'native'), {
        recursive: true,
        filter: (path) => !lstatSync(path).isSymbolicLink(),
      })
      const links = JSON.parse(readFileSync(join(bare, 'native', 'pg-symlinks.json'), 'utf8')) as {
        source: string
        target: string
      }[]
      expect(links.length).toBeGreaterThan(0)
      const broken = await execa(join(bare, 'native', 'bin', 'postgres'), ['--version'], { reject: false })
      expect(broken.exitCode).not.toBe(0)

      const server = await embeddedPostgres(join(base, 'home'), undefined, bare)
      expect(server).toContain(join(base, 'home', 'engines'))
      expect((await execa(server!, ['--version'])).stdout).toContain('PostgreSQL')
      const root = dirname(dirname(dirname(server!)))
      for (const { source, target } of links) expect(join(dirname(target), readlinkSync(join(root, target)))).toBe(source)
      for (const { target } of links) expect(existsSync(join(bare, target))).toBe(false)
      expect(await embeddedPostgres(join(base, 'home'), undefined, bare)).toBe(server)
    })

    test.skipIf(!isRoot())('as root is put where its user can reach it (only as root)', async () => {
      const closed = join(base, 'closed')
      mkdirSync(closed)
      cpSync(packaged!, join(closed, 'package'), { recursive: true, verbatimSymlinks: true })
      chmodSync(closed, 0o700)
      const user = pickUnprivilegedUser(join(base, 'none'))
      expect(user.uid).not.toBe(0)
      expect(await canReach(join(closed, 'package'), user)).toBe(false)
      const server = await embeddedPostgres(join(base, 'home'), user, join(closed, 'package'))
      expect(server!.startsWith(base)).toBe(false)
      expect((await execa(server!, ['--version'], { ...user, cwd: '/' })).stdout).toContain('PostgreSQL')
    })
  },
)

/** Brings a service with a Postgres up and down, and tells how it was. */
const AS_USER = `
import { mkdirSync, writeFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { createProcessRuntime } from '../../../src/drivers/process/runtime.ts'
import { databaseOf, planOf, postgresPreset, serviceOf } from '../../contract/plans.ts'
const base = process.env.BASE
const root = join(base, 'web')
mkdirSync(root)
writeFileSync(join(root, 'server.mjs'), "import { createServer } from 'node:http'; createServer((q, r) => r.end('ok')).listen(process.env.PORT)")
const plan = planOf(base, { services: [serviceOf('web', root, { databases: ['db'] })], databases: [databaseOf(postgresPreset, 'db', ['web'])] })
const runDir = join(base, 'home', 'runs', 'one')
const context = {
  runId: 'one', runDir, signal: new AbortController().signal, secretValue: () => undefined, environment: process.env,
  step: (_name, work) => work({ progress() {}, note() {} }), emit() {},
}
const runtime = createProcessRuntime({ home: join(base, 'home') })
const state = await runtime.reconcile(plan, context)
const data = existsSync(join(runDir, 'data', 'databases', 'db', 'data'))
await runtime.remove(plan, { purge: true }, context)
console.log(JSON.stringify({ uid: process.getuid(), states: [state.services[0].replicas[0].state, state.databases[0].state], data, left: existsSync(join(runDir, 'data')) }))
`

test.skipIf(!isRoot() || packaged === undefined)(
  'works for a user who is not root (tried only where this is root, who can become one)',
  async () => {
    const script = await bundle(AS_USER, 'as-user')
    const user = { uid: 65_534, gid: 65_534 }
    const own = join(base, 'own')
    mkdirSync(own)
    try {
      if (!(await canReach(script.file, user)) && !(await canReach(dirname(script.file), user))) return // a checkout that only root can enter
      await execa('chown', ['65534:65534', own])
      const { stdout } = await execa(process.execPath, [script.file], { ...user, cwd: own, env: { BASE: own, HOME: own } })
      expect(JSON.parse(stdout)).toEqual({ uid: 65_534, states: ['ready', 'ready'], data: true, left: false })
    } finally {
      script.remove()
    }
  },
)
