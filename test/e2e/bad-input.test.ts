import { execa } from 'execa'
import { existsSync } from 'node:fs'
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runFailing, type FailOptions } from '../support/failing.ts'
import { openShiv, readRun, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'

let own: OwnShiv
let shop: string

const echo = `import { createServer } from 'node:http'
const server = createServer((_, response) => response.end(JSON.stringify({ argv: process.argv.slice(2), env: process.env }))).listen(process.env.PORT)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
`

beforeAll(async () => {
  own = await openShiv('bad-input')
  shop = join(own.folder, 'shop')
})

beforeEach(async () => {
  await rm(shop, { recursive: true, force: true })
  await define('')
})

afterEach(async () => {
  await own.shiv(['stop', '--purge', '--yes'], { cwd: shop, reject: false })
})

afterAll(async () => {
  await own.close()
}, 60_000)

describe('what is wrong in the files', () => {
  it('comes out all at once, with file, line and caret', async () => {
    await define('scalling: { max_replicas: 2 }\nscaling: { min_replicas: 5, max_replicas: 2 }\ndatabases: [ { postgre: db } ]\n')
    const { exit, stderr } = await fails(['start'])
    expect(exit).toBe(2)
    await expect(stderr).toMatchFileSnapshot('../golden/e2e/several-faults.txt')
  })

  it('leads nowhere outside the workspace', async () => {
    await writeFile(join(shop, 'shiv.yaml'), 'name: shop\nservices: [../../etc/passwd]\n')
    const { exit, stderr } = await fails(['start'])
    expect(exit).toBe(2)
    await expect(stderr).toMatchFileSnapshot('../golden/e2e/outside.txt')
  })

  it('names the Dockerfile that is missing', async () => {
    await define('build: { dockerfile: deploy/Dockerfile }\n')
    const { exit, stderr } = await fails(['start'])
    expect(exit).toBe(2)
    await expect(stderr).toMatchFileSnapshot('../golden/e2e/dockerfile-missing.txt')
  })
})

describe('words of the command line', () => {
  it('a service that the workspace does not have', async () => {
    const { exit, code, stderr } = await fails(['start', 'echoo', '--runtime', 'process'])
    expect([exit, code]).toEqual([2, 'PLAN_SERVICE_UNKNOWN'])
    await expect(stderr).toMatchFileSnapshot('../golden/e2e/unknown-service.txt')
  })

  it('a path that is no workspace', async () => {
    for (const path of ['../../../etc/passwd', '/etc/passwd', '/etc']) {
      const { exit, code, stderr } = await fails(['start', path])
      expect([exit, code]).toEqual([2, 'CLI_UNKNOWN_TARGET'])
      expect(stderr).toContain(path)
    }
  })
})

describe('a variable without a value', () => {
  const wanted = 'env:\n  LOG_LEVEL: info\n  API_TOKEN: { secret: stripe, key: token }\n'

  it('is named, with who wants it and three ways to give it', async () => {
    await define(wanted)
    const { exit, code, stderr } = await fails(['start', '--runtime', 'process'])
    expect([exit, code]).toEqual([2, 'SECRET_MISSING'])
    await expect(stderr).toMatchFileSnapshot('../golden/e2e/missing-variable.txt')
  })

  it('is taken from the environment, as the hint says', async () => {
    await define(wanted)
    await start({ env: { API_TOKEN: 'from the shell' } })
    expect((await answer()).env['API_TOKEN']).toBe('from the shell')
    expect(await readFile(join(own.home, 'daemon.log'), 'utf8')).not.toContain('from the shell')
  })

  it('is taken from .env.local, written by the line of the hint', async () => {
    await define(wanted)
    const { hint = '' } = await fails(['start', '--runtime', 'process'])
    const line = /echo '(API_TOKEN=…)' >> (\S+)/.exec(hint)!
    expect(line[2]).toBe('FOLDER/shop/.env.local')
    await execa('sh', ['-c', line[0].replace('…', 'from a file').replace('FOLDER', own.folder)])
    await start()
    expect((await answer()).env['API_TOKEN']).toBe('from a file')
  })

  it('is taken from environments.local of the service', async () => {
    await define(wanted)
    expect((await fails(['start', '--runtime', 'process'])).hint).toContain('environments.local.env')
    await define(`${wanted}environments:\n  local:\n    env:\n      API_TOKEN: { value: not-a-secret }\n`)
    await start()
    expect((await answer()).env['API_TOKEN']).toBe('not-a-secret')
  })
})

describe('a port that somebody else holds', () => {
  const held: Server[] = []
  afterEach(async () => {
    for (const server of held.splice(0)) await new Promise((resolve) => server.close(resolve))
  })
  const hold = (port: number) =>
    new Promise<void>((resolve, reject) => {
      const server = createServer().once('error', reject)
      held.push(server)
      server.listen(port, '127.0.0.1', resolve)
    })

  it('is left to it: another is used, and both are named with the holder', async () => {
    await start()
    const before = (await readRun(own, shop)).services[0]!
    await own.shiv(['stop'], { cwd: shop })
    const [shared, direct] = [before.url!, before.directUrl!].map((url) => Number(new URL(url).port))
    const { processes } = JSON.parse(await readFile(join(own.home, 'ports.json'), 'utf8')) as { processes: object }
    const [[, internal]] = Object.entries(processes).filter(([key]) => key.endsWith('/echo.1/http')) as [[string, number]]
    for (const port of [shared!, direct!, internal]) await hold(port)
    const output = await start()
    const lines = output.split('\n').filter((line) => line.includes('is used by'))
    for (const [port, of] of [
      [shared, 'the front door'],
      [direct, 'echo.echo'],
      [internal, 'echo.1 http'],
    ]) {
      const line = lines.find((text) => text.includes(`Port ${port} of ${of} is used by`))
      expect(line, `${port} in ${lines.join('\n')}`).toContain(`(pid ${process.pid})`)
    }
    const after = (await readRun(own, shop)).services[0]!
    expect([after.url, after.directUrl]).not.toContain(before.url)
    expect(after.directUrl).not.toBe(before.directUrl)
    expect((await fetch(after.directUrl!)).status).toBe(200)
    // Told once: the new ports are kept.
    expect(await start()).not.toContain('is used by')
  })

  it('is named with its holder when the service insists on it', async () => {
    const port = 20_000 + (process.pid % 10_000)
    await hold(port)
    await define('', echo.replace('process.env.PORT', `{ port: ${port}, host: '127.0.0.1' }`))
    const { exit, code, stderr } = await fails(['start', '--runtime', 'process'])
    expect([exit, code]).toEqual([1, 'PROCESS_CRASHED'])
    expect(stderr).toMatch(
      new RegExp(`hint: port ${port} is used by .+ \\(pid N\\); listen on the port in the environment variable PORT`),
    )
  })
})

describe('values that try to be shell', () => {
  it('stay text in commands, variables, arguments of migrations and jobs', async () => {
    const trap = join(own.folder, 'trap')
    const evil = [`; touch ${trap}`, `$(touch ${trap})`, `\`touch ${trap}\``, `| touch ${trap}`, `&& touch ${trap}`]
    const list = JSON.stringify(evil)
    await define(
      [
        `env: { EVIL: ${JSON.stringify(evil.join(' '))} }`,
        `migrate: ['node', '-e', 'require("fs").writeFileSync("migrated", JSON.stringify(process.argv.slice(1)))', ${list.slice(1, -1)}]`,
        `workers: [ { name: mailer, command: [node, -e, 'setInterval(() => {}, 1e6)', ${list.slice(1, -1)}] } ]`,
        `cron: [ { name: nightly, schedule: "0 3 * * *", command: "node -e 0 ; touch ${trap}" } ]`,
        '',
      ].join('\n'),
      echo,
      `node server.js ; touch ${trap} $(touch ${trap}) \`touch ${trap}\` > ${trap}`,
    )
    await start()
    const { argv, env } = await answer()
    expect(argv).toEqual([';', 'touch', trap, '$(touch', `${trap})`, '`touch', `${trap}\``, '>', trap])
    expect(env['EVIL']).toBe(evil.join(' '))
    expect(JSON.parse(await readFile(join(shop, 'migrated'), 'utf8'))).toEqual(evil)
    await own.shiv(['exec', 'echo', '--', 'node', '-e', '0', ...evil], { cwd: shop })
    expect(existsSync(trap)).toBe(false)
  })

  it('are refused where a name belongs', async () => {
    const trap = join(own.folder, 'trap')
    for (const text of [
      `databases: [ { postgres: "; touch ${trap}" } ]\n`,
      `workers: [ { name: "$(touch ${trap})", command: node } ]\n`,
      `cron: [ { name: "\`touch ${trap}\`", schedule: "* * * * *", command: node } ]\n`,
      `env: { "A; touch ${trap}": x }\n`,
      `volumes: [ { name: "a; touch ${trap}", path: /data } ]\n`,
    ]) {
      await define(text)
      const { exit, stderr } = await fails(['start', '--runtime', 'process'])
      expect(exit, text).toBe(2)
      expect(stderr).toMatch(/--> service\.yaml:\d+:\d+\n(.*\n){2,3}.*\^/)
    }
    const { exit } = await fails(['start', `; touch ${trap}`])
    expect(exit).toBe(2)
    expect(existsSync(trap)).toBe(false)
  })
})

async function define(extra: string, server = echo, command = 'node server.js'): Promise<void> {
  const files = Object.fromEntries(Object.entries(tinyService('echo')).map(([path, text]) => [path.replace('echo/', ''), text]))
  files['service.yaml'] = files['service.yaml']!.replace(/^command: .*$/m, `command: ${JSON.stringify(command)}`).replace(
    extra.includes('scaling:') ? /^scaling: .*\n/m : /^$/,
    '',
  )
  await writeTree(shop, { ...files, 'server.js': server })
  await appendFile(join(shop, 'service.yaml'), extra)
}

const fails = (words: string[], options: FailOptions = {}) => runFailing(own, words, { cwd: shop, ...options })

function start({ env = {} }: { env?: Record<string, string> } = {}): Promise<string> {
  return own.shiv(['start', '--runtime', 'process'], { cwd: shop, env: { ...own.env, ...env } })
}

async function answer(): Promise<{ argv: string[]; env: Record<string, string> }> {
  const { directUrl } = (await readRun(own, shop)).services[0]!
  return (await (await fetch(directUrl!)).json()) as { argv: string[]; env: Record<string, string> }
}
