import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.ts'
import type { Request } from '../../src/wire/messages.ts'
import { buildCli, runCli, scriptDaemon, type Answer, type Ended } from '../support/cli.ts'
import { doctorResult, healthyRun, parityReport, startEvents, startResult } from './samples.ts'

let built: Awaited<ReturnType<typeof buildCli>>
let home: string
let shop: string
let daemon: Awaited<ReturnType<typeof scriptDaemon>> | undefined

beforeAll(async () => {
  built = await buildCli('cli')
})
afterAll(() => built.remove())
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-cli-')))
  shop = join(home, 'shop')
  mkdirSync(join(shop, 'orders'), { recursive: true })
  writeFileSync(join(shop, 'shiv.yaml'), 'name: shop\n')
  writeFileSync(join(shop, 'orders/service.yaml'), 'name: orders\n')
})
afterEach(async () => {
  await daemon?.close()
  daemon = undefined
  rmSync(home, { recursive: true, force: true })
})

const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  SHIV_HOME: home,
  LANG: 'C.UTF-8',
  ...more,
})
type Output = Parameters<typeof runCli>[2]['onOutput']
const shiv = (line: string, options: { cwd?: string; env?: NodeJS.ProcessEnv; onOutput?: Output } = {}): Promise<Ended> =>
  runCli(built.bin, line === '' ? [] : line.split(' '), {
    cwd: options.cwd ?? shop,
    env: environment(options.env),
    onOutput: options.onOutput,
  })
const answering = async (answers: Partial<Record<Request['method'], Answer>>): Promise<void> => {
  const status = { result: { version: 1, daemon: { pid: 1, version: '0.1.0', since: 0, rssBytes: 1 }, runs: [healthyRun] } }
  daemon = await scriptDaemon(
    home,
    (request) => answers[request.method] ?? (request.method === 'status' ? status : { result: {} }),
  )
}
const errorOf = ({ stderr }: Ended) =>
  (JSON.parse(stderr) as { version: number; error: { code: string; exit: number; hint?: string } }).error

test('--version, --help and nothing at all', async () => {
  const release = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version
  expect(await shiv('--version')).toEqual({ code: 0, stdout: `shiv ${release}\n`, stderr: '' })
  expect(JSON.parse((await shiv('--version --json')).stdout)).toMatchObject({ version: 1, shiv: release })
  const help = readFileSync('test/golden/help/shiv.txt', 'utf8')
  expect(await shiv('--help')).toEqual({ code: 0, stdout: help, stderr: '' })
  expect(await shiv('help')).toEqual({ code: 0, stdout: help, stderr: '' })
  expect((await shiv('help plan')).stdout).toBe(readFileSync('test/golden/help/plan.txt', 'utf8'))
  expect(await shiv('')).toEqual({ code: 2, stdout: '', stderr: help })
})

test.each(COMMANDS.map(({ name }) => name))('shiv %s --help prints its golden file, also with wrong arguments', async (name) => {
  const expected = { code: 0, stdout: readFileSync(`test/golden/help/${name}.txt`, 'utf8'), stderr: '' }
  expect(await shiv(`${name} a b c -h`)).toEqual(expected)
})

test.each([
  ['strat', 'CLI_UNKNOWN_COMMAND', 'did you mean shiv start?'],
  ['help parrity', 'CLI_UNKNOWN_COMMAND', 'did you mean shiv parity?'],
  ['status --al', 'CLI_UNKNOWN_FLAG', 'did you mean --all?'],
  ['--versoin', 'CLI_UNKNOWN_FLAG', 'did you mean --version?'],
  ['start ./nowhere', 'CLI_UNKNOWN_TARGET', 'name a folder with a service.yaml'],
  ['exec orders', 'CLI_MISSING_ARGUMENT', 'shiv exec orders -- env'],
  ['parity --gate 101', 'CLI_BAD_VALUE', 'for example --gate 80'],
  ['stop --purge', 'CLI_NEEDS_YES', 'shiv stop --purge --yes'],
  ['logs', 'RUN_NOT_FOUND', 'shiv start'],
])('shiv %s ends with 2 and %s, as text and as JSON', async (line, code, hint) => {
  const text = await shiv(line)
  expect(text).toMatchObject({ code: 2, stdout: '' })
  expect(text.stderr).toContain(code)
  expect(text.stderr).toContain(hint)
  const json = await shiv(`${line} --json`)
  expect(json).toMatchObject({ code: 2, stdout: '' })
  expect(errorOf(json)).toMatchObject({ code, exit: 2 })
  expect(errorOf(json).hint).toContain(hint)
})

test('how errors of the command line look', async () => {
  const lines = [
    'strat',
    'status --al',
    'start --runtime knd',
    'logs --since 5',
    'start ./nowhere',
    'exec orders',
    'stop --purge',
    'logs',
  ]
  const shown: string[] = []
  for (const line of lines) shown.push(`$ shiv ${line}\n${(await shiv(line)).stderr}`)
  await expect(shown.join('\n')).toMatchFileSnapshot('../golden/cli/errors.txt')
})

test('colours: none without a terminal, FORCE_COLOR brings them, NO_COLOR alone does not', async () => {
  expect((await shiv('strat')).stderr).not.toContain('\u001b')
  expect((await shiv('strat', { env: { NO_COLOR: '1' } })).stderr).not.toContain('\u001b')
  expect((await shiv('strat', { env: { FORCE_COLOR: '1' } })).stderr).toContain('\u001b[')
})

test('status without a daemon says that nothing runs and starts none', async () => {
  expect(await shiv('status')).toEqual({ code: 0, stdout: 'nothing runs\n', stderr: '' })
  expect(JSON.parse((await shiv('status --json')).stdout)).toEqual({ version: 1, daemon: null, runs: [] })
  expect((await shiv('status -o yaml')).stdout).toContain('runs: []')
  expect(existsSync(join(home, 'daemon.lock'))).toBe(false)
  expect(existsSync(join(home, 'daemon.log'))).toBe(false)
})

test('status shows the run, and passwords only when asked to', async () => {
  await answering({})
  const { code, stdout } = await shiv('status')
  expect(code).toBe(0)
  expect(stdout).toContain('http://orders.localhost:7330')
  for (const form of ['', ' --json', ' -o yaml', ' -o wide']) {
    expect((await shiv(`status${form}`)).stdout, form).not.toContain('s3cr3t')
    expect((await shiv(`status${form} --show-secrets`)).stdout, form).toContain('s3cr3t')
  }
})

test('outside a workspace status asks for every run, inside for its own, with -C for another', async () => {
  await answering({})
  await shiv('status', { cwd: home })
  await shiv('status')
  await shiv('-C shop/orders status orders', { cwd: home })
  expect(daemon!.requests).toEqual([
    { method: 'status', params: { path: home, services: [], all: true } },
    { method: 'status', params: { path: shop, services: [], all: false } },
    { method: 'status', params: { path: shop, services: ['orders'], all: false } },
  ])
})

test('start: lines as it goes, the table at the end', async () => {
  await answering({ start: { events: startEvents.map(({ event }) => event), result: startResult } })
  const { code, stdout, stderr } = await shiv('start orders')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('✓ cluster shiv › create 13.9 s')
  expect(stdout).toContain('postgres://orders:***@127.0.0.1:5433/orders')
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('✓ shop ready in 3.2 s on kind')
  expect(daemon!.requests[0]).toMatchObject({
    method: 'start',
    params: { path: join(shop, 'orders'), services: ['orders'], env: 'local', environment: { SHIV_HOME: home } },
  })
})

test('start --json: one JSON object a line, the result last, no password', async () => {
  await answering({ start: { events: startEvents.map(({ event }) => event), result: startResult } })
  const { code, stdout } = await shiv('start --json')
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { version: number; kind: string })
  expect(code).toBe(0)
  expect(lines).toHaveLength(startEvents.length + 1)
  expect(lines.every(({ version }) => version === 1)).toBe(true)
  expect(lines.at(-1)).toMatchObject({ kind: 'result', durationMs: 3_214 })
  expect(stdout).not.toContain('s3cr3t')
})

test('start that fails ends with the code of its cause, its evidence and its hint', async () => {
  const error = {
    code: 'KIND_MISSING',
    message: 'kind is not on PATH.',
    exit: 3 as const,
    hint: 'shiv doctor --fix',
    evidence: ['spawn kind ENOENT'],
  }
  await answering({ start: { error } })
  const { code, stderr } = await shiv('start')
  expect(code).toBe(3)
  for (const part of [error.message, error.code, error.hint, error.evidence[0]!]) expect(stderr).toContain(part)
  expect(errorOf(await shiv('start --json'))).toEqual(error)
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s while starting ends with 130 and says that start goes on', async (signal) => {
  await answering({ start: { events: [startEvents[2]!.event], hang: true } })
  const { code, stderr } = await shiv('start orders', { onOutput: (_stdout, kill) => kill(signal) })
  expect(code).toBe(130)
  expect(stderr).toContain('shiv start orders goes on from here')
})

test('start --follow shows logs after the table; Ctrl-C leaves it running and says so', async () => {
  const line = { time: 0, source: 'orders', replica: '1', stream: 'stdout' as const, text: 'hello' }
  await answering({ start: { result: startResult }, logs: { events: [{ kind: 'log', line }], hang: true } })
  const { code, stdout } = await shiv('start --follow', { onOutput: (text, kill) => text.includes('hello') && kill('SIGINT') })
  expect(code).toBe(0)
  expect(stdout).toContain('shop keeps running')
})

test('the daemon dying in the middle is told, with what to do', async () => {
  daemon = await scriptDaemon(home, ({ method }) => {
    if (method !== 'exec') return { result: { version: 1, daemon: {}, runs: [healthyRun] } }
    setImmediate(() => void daemon!.close())
    return { hang: true }
  })
  const { code, stderr } = await shiv('exec orders -- env')
  expect(stderr).toContain('DAEMON_GONE')
  expect(code).toBe(1)
})

test('missing values that could be asked for are an error where nobody can be asked', async () => {
  const fault = {
    code: 'ENV_MISSING',
    message: 'STRIPE_KEY is not set.',
    ask: { variable: 'STRIPE_KEY', prompt: 'Your sandbox token' },
  }
  await answering({ start: { error: { code: 'ENV_MISSING', message: 'A value is missing.', exit: 2, faults: [fault] } } })
  const { code, stderr } = await shiv('start')
  expect(code).toBe(2)
  expect(stderr).toContain('ENV_MISSING')
  expect(daemon!.requests).toHaveLength(1)
})

test('parity: the gate decides the exit code', async () => {
  await answering({ parity: { result: parityReport } })
  expect((await shiv('parity --gate 78')).code).toBe(0)
  const refused = await shiv('parity --gate 79')
  expect(refused.code).toBe(4)
  expect(refused.stderr).toContain('the score 78.5 is below 79')
  const json = await shiv('parity --gate 79 --json')
  expect(json.code).toBe(4)
  expect(JSON.parse(json.stdout)).toMatchObject({ version: 1, gate: 79, passes: false })
})

test('parity of what does not run comes from the Plan alone, and says so', async () => {
  daemon = await scriptDaemon(home, (request) => {
    if (request.method !== 'parity') return { result: { version: 1, daemon: {}, runs: [] } }
    if (request.params.verify) return { error: { code: 'RUN_NOT_FOUND', message: 'Nothing was started here.', exit: 2 } }
    return { result: { ...parityReport, verified: false } }
  })
  const { code, stdout } = await shiv('parity')
  expect(code).toBe(0)
  expect(stdout).toContain('live: not verified')
})

test('logs: sources, tail and since reach the daemon; JSON comes raw', async () => {
  const line = { time: 5, source: 'orders', replica: '1', stream: 'stdout' as const, text: '{"msg":"hi"}', fields: { msg: 'hi' } }
  await answering({ logs: { events: [{ kind: 'log', line }], result: { version: 1, lines: 1 } } })
  const { stdout } = await shiv('logs orders --tail 3 --since 5m --json')
  expect(JSON.parse(stdout)).toEqual({ version: 1, kind: 'log', line })
  expect(daemon!.requests[1]).toMatchObject({
    method: 'logs',
    params: { path: join(shop, 'orders'), sources: ['orders'], tail: 3, follow: false },
  })
  expect((await shiv('logs')).stdout).toMatch(/orders\/1 hi\n$/)
})

test('stop: data stays unless purged, and the run is found from outside its workspace', async () => {
  const stopped = (purged: boolean) => ({
    result: { version: 1, stopped: [{ id: 'x', workspace: 'shop', services: [], purged }] },
  })
  daemon = await scriptDaemon(home, (request) => {
    if (request.method === 'stop') return stopped(request.params.purge)
    return { result: { version: 1, daemon: {}, runs: [{ ...healthyRun, workspace: { name: 'shop', root: shop } }] } }
  })
  expect((await shiv('stop', { cwd: home })).stdout).toBe('✓ stopped shop: everything, data kept\n')
  expect((await shiv('stop --purge --yes')).stdout).toBe('✓ stopped shop: everything, data deleted\n')
  expect(daemon.requests.filter(({ method }) => method === 'stop')).toEqual([
    { method: 'stop', params: { path: shop, services: [], purge: false } },
    { method: 'stop', params: { path: shop, services: [], purge: true } },
  ])
})

test('outside a workspace plan and parity mean what runs', async () => {
  await answering({ plan: { result: { version: 1 } }, parity: { result: parityReport } })
  expect((await shiv('plan --json', { cwd: home })).code).toBe(0)
  expect((await shiv('parity', { cwd: home })).code).toBe(0)
  for (const request of daemon!.requests.filter(({ method }) => method !== 'status')) {
    expect(request).toMatchObject({ params: { path: healthyRun.workspace.root, services: ['orders', 'mailer'] } })
  }
})

test('two runs that fit are named, and -C is what to do', async () => {
  const runs = ['a', 'b'].map((name) => ({ ...healthyRun, workspace: { name, root: join(home, name) } }))
  daemon = await scriptDaemon(home, () => ({ result: { version: 1, daemon: {}, runs } }))
  const { code, stderr } = await shiv('logs orders', { cwd: home })
  expect(code).toBe(2)
  expect(stderr).toContain(`-C ${join(home, 'a')}`)
  expect((await shiv('logs ordres', { cwd: home })).stderr).toContain('did you mean "orders"?')
})

test('exec: output and end of what ran', async () => {
  await answering({ exec: { result: { version: 1, code: 7, stdout: 'out\n', stderr: 'err\n' } } })
  const { code, stdout, stderr } = await shiv('exec orders -- node --version')
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: 'out\n', stderr: 'err\nnode ended with 7\n' })
  expect(daemon!.requests[1]).toEqual({
    method: 'exec',
    params: { path: join(shop, 'orders'), services: ['orders'], argv: ['node', '--version'] },
  })
})

test('open prints the URL and nothing else', async () => {
  await answering({})
  expect(await shiv('open orders')).toEqual({ code: 0, stdout: 'http://orders.localhost:7330\n', stderr: '' })
  expect(await shiv('open')).toEqual({ code: 0, stdout: 'http://orders.localhost:7330\n', stderr: '' })
  expect((await shiv('open mailer')).stderr).toContain('mailer has no URL')
})

test('doctor ends with 3 when something is missing', async () => {
  await answering({ doctor: { result: doctorResult } })
  expect((await shiv('doctor')).code).toBe(3)
  await daemon!.close()
  await answering({ doctor: { result: { version: 1, checks: doctorResult.checks.filter(({ state }) => state !== 'failed') } } })
  expect((await shiv('doctor --json')).code).toBe(0)
})

test('daemon status and stop without one', async () => {
  expect(await shiv('daemon status')).toEqual({ code: 0, stdout: 'no daemon runs\n', stderr: '' })
  expect(JSON.parse((await shiv('daemon stop --json')).stdout)).toMatchObject({ version: 1, stopped: false })
})

test.each([
  ['go.mod', 'language: go'],
  ['package.json', 'language: node'],
  ['pyproject.toml', 'language: python'],
  ['Dockerfile', 'dockerfile: Dockerfile'],
])('init knows %s, and never overwrites', async (sign, expected) => {
  const folder = join(home, 'My Billing_service')
  mkdirSync(folder)
  writeFileSync(join(folder, sign), '')
  expect((await shiv('init', { cwd: folder })).code).toBe(0)
  const text = readFileSync(join(folder, 'service.yaml'), 'utf8')
  expect(text).toContain('name: my-billing-service\n')
  expect(text).toContain(expected)
  const again = await shiv('init', { cwd: folder })
  expect(again.code).toBe(2)
  expect(again.stderr).toContain('INIT_EXISTS')
  expect(readFileSync(join(folder, 'service.yaml'), 'utf8')).toBe(text)
})

test.each([
  ['{"scripts":{"start":"node ./server.js"}}', '', 'node', '[node, server.js]'],
  ['{"main":"api.js"}', 'api.js', 'node', '[node, api.js]'],
  ['{"main":"dist/main.js","scripts":{"build":"tsc"}}', '', 'node', '[node, dist/main.js]'],
  ['{"main":"index.js"}', 'server.js', 'node', '[node, server.js]'],
  ['{"scripts":{"start":"node dist/server.js","build":"tsc"}}', 'index.js', 'node', undefined],
  ['{"scripts":{"start":"node a.js; rm -rf /"}}', '', 'node', undefined],
  ['', 'app.py', 'python', '[python, app.py]'],
  ['', 'main.py', 'python', undefined],
])('init with %s and %j: what starts it', async (manifest, file, language, command) => {
  const folder = join(home, 'api')
  mkdirSync(folder)
  writeFileSync(join(folder, language === 'node' ? 'package.json' : 'requirements.txt'), manifest)
  if (file) writeFileSync(join(folder, file), '')
  expect((await shiv('init', { cwd: folder })).code).toBe(0)
  const start = command === undefined ? '' : `command: ${command}\n`
  expect(readFileSync(join(folder, 'service.yaml'), 'utf8')).toBe(`name: api\nlanguage: ${language}\n${start}`)
})

test('a command without -- is shown with it', async () => {
  expect((await shiv('exec orders ls')).stderr).toContain('hint: shiv exec orders -- ls')
})

test('init that does not know leaves nothing behind', async () => {
  expect((await shiv('init new --name x')).stderr).toContain('INIT_UNKNOWN_LANGUAGE')
  expect((await shiv('init 9 --language node')).stderr).toContain('INIT_BAD_NAME')
  expect(existsSync(join(shop, 'new'))).toBe(false)
  expect(existsSync(join(shop, '9'))).toBe(false)
})

test('a reader that has had enough is no failure', async () => {
  const events = Array.from({ length: 5_000 }, (_, index) => ({
    kind: 'log' as const,
    line: { time: 0, source: 'orders', replica: '1', stream: 'stdout' as const, text: `line ${index}` },
  }))
  await answering({ logs: { events, result: { version: 1, lines: 5_000 } } })
  const { spawn } = await import('node:child_process')
  const child = spawn(process.execPath, [built.bin, 'logs'], { cwd: shop, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  child.stdout.once('data', () => child.stdout.destroy())
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
