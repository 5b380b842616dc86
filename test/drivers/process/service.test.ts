import { execa } from 'execa'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ServicePlan } from '../../../src/plan/types.ts'
import { evaluate } from '../../support/inspector.ts'
import { envOf, nodeLanguage, planOf, serviceOf } from '../../contract/plans.ts'
import { ask, createWorld, ECHO, failureOf, lives, pidsOf, until, type World } from './world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.end())

const planWith = (...services: ServicePlan[]) => planOf(world.home, { services })
const withProcess = (process: Partial<ServicePlan['language']['process']>) => ({
  ...nodeLanguage,
  process: { ...nodeLanguage.process, ...process },
})

describe('the environment of a service', () => {
  test('is the Plan and a little of the shell, nothing else of it', async () => {
    const environment = {
      PATH: process.env['PATH'],
      HOME: '/home/somebody',
      LANG: 'C.UTF-8',
      AWS_SECRET_ACCESS_KEY: 'leaks',
      npm_config_registry: 'http://x',
    }
    const service = serviceOf('web', world.service('web', ECHO), {
      env: [
        envOf('GREETING', 'hello'),
        { name: 'STRIPE', source: { kind: 'secret', secret: 'stripe', key: 'api-key' } },
        { ...envOf('PORT', '3000'), from: 'platform' },
      ],
      metrics: { port: 9090, path: '/metrics' },
      volumes: [{ name: 'up-loads', path: '/data', size: '1Gi' }],
    })
    const plan = planWith(service)
    plan.secrets.push({
      name: 'web-stripe',
      source: { kind: 'external' },
      keys: [{ key: 'api-key', variable: 'STRIPE', wantedBy: ['web.env.STRIPE'] }],
    })
    const state = await world.runtime.reconcile(plan, world.context({ environment, secrets: { STRIPE: 'sk_test' } }))
    const { env } = await ask(state, 'web')
    expect(env).toMatchObject({ GREETING: 'hello', STRIPE: 'sk_test', HOME: '/home/somebody', LANG: 'C.UTF-8' })
    expect(env['PORT']).toBe(String(state.services[0]!.endpoints['http']![0]!.port))
    expect(Number(env['METRICS_PORT'])).toBeGreaterThan(0)
    expect(env['METRICS_PORT']).not.toBe(env['PORT'])
    expect(env['UP_LOADS_PATH']).toBe(join(world.context().runDir, 'data', 'volumes', 'web-1', 'up-loads'))
    expect(existsSync(env['UP_LOADS_PATH']!)).toBe(true)
    expect(env).not.toHaveProperty('AWS_SECRET_ACCESS_KEY')
    expect(env).not.toHaveProperty('npm_config_registry')
    if (process.platform === 'linux') {
      const questions = ['env:web', 'user:web', 'metrics:web', 'health:web'] as const
      const targets = questions.map((question) => ({ kind: 'runtime' as const, question, expect: undefined }))
      const [names, user, metrics, health] = await world.runtime.readings(plan, targets, world.context())
      expect(names!.actual).toContain('STRIPE')
      expect(JSON.stringify(names)).not.toContain('sk_test')
      expect([user, metrics, health]).toEqual([{ actual: process.getuid!() }, { actual: false }, { actual: true }])
    }
    // The value of a secret is in no file of the run.
    const { stdout } = await execa('grep', ['-rl', 'sk_test', world.home], { reject: false })
    expect(stdout).toBe('')
  })

  test('says which variable is missing, what wants it, and how to give it', async () => {
    const service = serviceOf('web', world.service('web', ECHO), {
      env: [{ name: 'STRIPE', source: { kind: 'secret', secret: 'stripe', key: 'stripe' } }],
    })
    const failure = await failureOf(world.runtime.reconcile(planWith(service), world.context()))
    expect(failure).toMatchObject({
      code: 'ENV_MISSING',
      exit: 2,
      message: expect.stringContaining('web wants the environment variable STRIPE'),
    })
    for (const way of ['export STRIPE=', '.env.local', 'env.STRIPE']) expect(failure.hint).toContain(way)
  })

  test('leads to the services that it depends on, which are up before it', async () => {
    const billing = serviceOf('billing', world.service('billing', ECHO))
    const web = serviceOf(
      'web',
      world.service('web', `await fetch(process.env.BILLING_URL)\n${ECHO}`.replace(/^(await .*)\n\n(import .*)\n/, '$2\n$1\n')),
      {
        dependencies: ['billing'],
        env: [envOf('BILLING_URL', { kind: 'service', service: 'billing', field: 'url' })],
      },
    )
    const state = await world.runtime.reconcile(planWith(billing, web), world.context())
    const { env } = await ask(state, 'web')
    expect(env['BILLING_URL']).toBe(`http://127.0.0.1:${state.services[0]!.endpoints['http']![0]!.port}`)
  })
})

describe('prepare steps', () => {
  const counting = { name: 'count', run: ['node', 'count.cjs', '${out}'], inputs: ['src/**', '*.lock'], outputs: ['${out}/made'] }
  const runs = (root: string) => readFileSync(join(root, 'runs.log'), 'utf8').length
  const prepared = () => {
    const root = world.service('web', ECHO)
    mkdirSync(join(root, 'src/deep'), { recursive: true })
    writeFileSync(join(root, 'src/deep/a.ts'), 'one')
    writeFileSync(
      join(root, 'count.cjs'),
      `const fs = require('fs'); fs.appendFileSync('runs.log', '.'); fs.writeFileSync(process.argv[2] + '/made', '')`,
    )
    return { root, plan: planWith(serviceOf('web', root, { language: withProcess({ prepare: [counting] }) })) }
  }

  test('run once for two starts, again for another input, again for a missing output', async () => {
    const { root, plan } = prepared()
    await world.runtime.reconcile(plan, world.context())
    await world.runtime.reconcile(plan, world.context())
    await world.runtime.remove(plan, { purge: false }, world.context())
    await world.runtime.reconcile(plan, world.context())
    expect(runs(root)).toBe(1)
    // Touched but the same: content decides.
    writeFileSync(join(root, 'src/deep/a.ts'), 'one')
    await world.runtime.reconcile(plan, world.context())
    expect(runs(root)).toBe(1)
    appendFileSync(join(root, 'src/deep/a.ts'), 'two')
    await world.runtime.reconcile(plan, world.context())
    expect(runs(root)).toBe(2)
    rmSync(join(world.context().runDir, 'out', 'web', 'made'))
    await world.runtime.reconcile(plan, world.context())
    expect(runs(root)).toBe(3)
    expect(world.steps.filter((step) => step === 'web: count')).toHaveLength(3)
  })

  test('in a loop look at nothing but what changed, what they made, and whether they went well', async () => {
    const { root, plan } = prepared()
    await world.runtime.reconcile(plan, world.context())
    const prepare = (...changed: string[]) => world.runtime.reload!.prepare!(plan, 'web', world.context(), new Set(changed))
    appendFileSync(join(root, 'src/deep/a.ts'), 'unseen')
    await prepare('server.mjs', 'docs/src/a.ts')
    expect(runs(root)).toBe(1)
    await prepare('server.mjs', 'src/deep/a.ts')
    expect(runs(root)).toBe(2)
    rmSync(join(world.context().runDir, 'out', 'web', 'made'))
    await prepare('server.mjs')
    expect(runs(root)).toBe(3)
    const before = readFileSync(join(root, 'count.cjs'), 'utf8')
    writeFileSync(join(root, 'count.cjs'), 'process.exit(2)')
    writeFileSync(join(root, 'package.lock'), '')
    await failureOf(prepare('package.lock'))
    writeFileSync(join(root, 'count.cjs'), before)
    await prepare('server.mjs')
    expect(runs(root)).toBe(4)
  })

  test('that fail show the last lines of the step, and the service is not started', async () => {
    const { root, plan } = prepared()
    writeFileSync(join(root, 'count.cjs'), `console.error('src/a.ts(1,1): error TS2304: Cannot find name x'); process.exit(2)`)
    const failure = await failureOf(world.runtime.reconcile(plan, world.context()))
    expect(failure).toMatchObject({ code: 'PROCESS_PREPARE_FAILED', message: 'web: the step `count` exited with code 2.' })
    expect(failure.evidence).toEqual(['src/a.ts(1,1): error TS2304: Cannot find name x'])
    expect((await world.runtime.read(plan, world.context())).services[0]!.replicas).toEqual([])
  })

  test('that failed are due for the inputs of before too: they may have spoiled what they had made', async () => {
    const { root, plan } = prepared()
    await world.runtime.reconcile(plan, world.context())
    const before = readFileSync(join(root, 'count.cjs'), 'utf8')
    writeFileSync(join(root, 'count.cjs'), `${before}; fs.writeFileSync(process.argv[2] + '/made', 'spoiled'); process.exit(2)`)
    writeFileSync(join(root, 'src/deep/a.ts'), 'broken')
    await failureOf(world.runtime.reconcile(plan, world.context()))
    writeFileSync(join(root, 'count.cjs'), before)
    writeFileSync(join(root, 'src/deep/a.ts'), 'one')
    await world.runtime.reconcile(plan, world.context())
    expect(readFileSync(join(world.context().runDir, 'out', 'web', 'made'), 'utf8')).toBe('')
    expect(runs(root)).toBe(3)
  })

  test('and tools: a missing one is named with the line that installs it', async () => {
    const language = withProcess({ needs: [{ tool: 'no-such-tool', hint: 'brew install no-such-tool' }] })
    const failure = await failureOf(
      world.runtime.reconcile(planWith(serviceOf('web', world.service('web', ECHO), { language })), world.context()),
    )
    expect(failure).toMatchObject({ code: 'PROCESS_TOOL_MISSING', exit: 3, hint: 'brew install no-such-tool' })
  })
})

describe('besides its replicas', () => {
  test('an edit of the code replaces the process at the next start, a file that the preset ignores does not', async () => {
    const root = world.service('web', ECHO)
    const plan = planWith(serviceOf('web', root))
    const [first] = pidsOf(await world.runtime.reconcile(plan, world.context()), 'web')
    writeFileSync(join(root, 'debug.log'), 'noise')
    expect(pidsOf(await world.runtime.reconcile(plan, world.context()), 'web'), JSON.stringify(world.events)).toEqual([first])
    world.service('web', `${ECHO}\n// edited`)
    const [second] = pidsOf(await world.runtime.reconcile(plan, world.context()), 'web')
    expect(second).not.toBe(first)
    expect(lives(first!)).toBe(false)
  })

  test('a migration runs to its end before the service starts, and one that fails holds it back', async () => {
    const root = world.service(
      'web',
      `import { existsSync } from 'node:fs'; if (!existsSync('migrated.log')) process.exit(5); ${ECHO}`,
    )
    writeFileSync(
      join(root, 'migrate.cjs'),
      `setTimeout(() => require('fs').writeFileSync('migrated.log', process.env.PORT), 100)`,
    )
    const service = serviceOf('web', root, { migrate: ['node', 'migrate.cjs'] })
    await world.runtime.reconcile(planWith(service), world.context())
    await world.runtime.remove(planWith(service), { purge: false }, world.context())
    const broken = serviceOf('web', root, { migrate: ['node', '-e', 'console.error("relation exists"); process.exit(4)'] })
    const failure = await failureOf(world.runtime.reconcile(planWith(broken), world.context()))
    expect(failure).toMatchObject({ code: 'PROCESS_MIGRATE_FAILED', evidence: ['relation exists'] })
  })

  test('workers are workloads of their own, without a port', async () => {
    const root = world.service('web', ECHO)
    writeFileSync(
      join(root, 'mailer.mjs'),
      `console.log(JSON.stringify({ port: process.env.PORT ?? null })); setInterval(() => {}, 1000)`,
    )
    const plan = planWith(serviceOf('web', root, { workers: [{ name: 'mailer', command: ['node', 'mailer.mjs'], replicas: 2 }] }))
    const state = await world.runtime.reconcile(plan, world.context())
    expect(state.services[1]).toMatchObject({ name: 'web-mailer', kind: 'worker', desired: 2, endpoints: {} })
    expect(state.services[1]!.replicas.map((replica) => replica.state)).toEqual(['ready', 'ready'])
    const lines = async () => {
      const all = []
      for await (const line of world.runtime.logs(plan, { sources: ['web'], follow: false }, world.context())) all.push(line)
      return all
    }
    const first = expect.objectContaining({ source: 'web', replica: 'web-mailer-1', fields: { port: null } })
    await expect.poll(lines, { timeout: 10_000 }).toContainEqual(first)
  })

  test.each([
    [
      'dist/main.mjs',
      'there is no dist/main.mjs: build it, or say in service.yaml what starts the service, such as command: [node, FILE]',
    ],
    ['server.mjs', 'there is no lib/db.mjs: check the path where it is imported'],
  ])('a file of its own that is missing is told as one: %s', async (file, hint) => {
    const root = world.service('web', `import './lib/db.mjs'`)
    const failure = await failureOf(
      world.runtime.reconcile(planWith(serviceOf('web', root, { command: ['node', file] })), world.context()),
    )
    expect(failure).toMatchObject({ code: 'PROCESS_CRASHED', hint })
  })

  test('a worker that ends right away fails the start', async () => {
    const root = world.service('web', '')
    const command = ['sh', '-c', 'echo Error: no queue >&2; exit 1']
    const failure = await failureOf(
      world.runtime.reconcile(
        planWith(serviceOf('web', root, { kind: 'worker', command, ports: [], health: undefined })),
        world.context(),
      ),
    )
    expect(failure).toMatchObject({ code: 'PROCESS_CRASHED', message: 'web-1 exited with code 1: Error: no queue' })
  })

  test('cron jobs run by their schedule, never over each other, and their results are kept', async () => {
    const root = world.service('web', ECHO)
    writeFileSync(
      join(root, 'job.cjs'),
      `const fs = require('fs'); fs.appendFileSync('job.log', 'begin '); setTimeout(() => fs.appendFileSync('job.log', 'end '), 1500)`,
    )
    const cron = [
      { name: 'nightly', schedule: '* * * * * *', command: ['node', 'job.cjs'] },
      { name: 'broken', schedule: '* * * * * *', command: ['node', '-e', 'process.exit(1)'] },
      { name: 'yearly', schedule: '0 0 1 1 *', command: ['node', 'job.cjs'] },
    ]
    const plan = planWith(serviceOf('web', root, { cron }))
    await world.runtime.reconcile(plan, world.context())
    const results = await until(async () => {
      const state = await world.runtime.read(plan, world.context())
      return state.cron[0]!.lastResult !== undefined && state.cron[1]!.lastResult !== undefined && state.cron
    }, 'both ran')
    expect(results[0]).toMatchObject({ service: 'web', name: 'nightly', schedule: '* * * * * *' })
    expect(results[1]).toMatchObject({ name: 'broken', lastResult: 'failed' })
    expect(results[2]).not.toHaveProperty('lastRun')
    await until(() => readFileSync(join(root, 'job.log'), 'utf8').split('end').length > 2, 'it ran twice')
    expect(readFileSync(join(root, 'job.log'), 'utf8')).toMatch(/^(begin end )+(begin )?$/)
    expect(world.events).toContainEqual(expect.objectContaining({ kind: 'warning', code: 'PROCESS_CRON_FAILED' }))
  })
})

describe('the debug endpoint of Node', () => {
  const language = {
    ...nodeLanguage,
    debug: { protocol: 'node-inspector' as const, port: 9229, env: { NODE_OPTIONS: '--inspect=${debug.host}:${debug.port}' } },
  }
  const evaluateIn = async (port: number, expression: string) => {
    const [target] = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as { webSocketDebuggerUrl: string }[]
    return evaluate(target!.webSocketDebuggerUrl, expression)
  }

  test('is that of the first replica, and its children do not fight for it', async () => {
    const root = world.service(
      'web',
      `import { execFileSync } from 'node:child_process'; const child = execFileSync('node', ['-p', 'process.env.NODE_OPTIONS ?? "none"'], { encoding: 'utf8', stdio: 'pipe' }); console.log('child', child); ${ECHO}`,
    )
    const state = await world.runtime.reconcile(
      planWith(serviceOf('web', root, { language, replicas: { min: 2, max: 2 } })),
      world.context(),
    )
    const { debug } = state.services[0]!
    expect(debug).toMatchObject({ protocol: 'node-inspector', host: '127.0.0.1' })
    expect(await evaluateIn(debug!.port, 'process.pid')).toBe(pidsOf(state, 'web')[0])
  })

  test("is the service's, not that of the npm in front of it", async () => {
    const root = world.service('web', ECHO)
    writeFileSync(
      join(root, 'package.json'),
      JSON.stringify({ name: 'web', version: '1.0.0', scripts: { start: 'node server.mjs' } }),
    )
    const state = await world.runtime.reconcile(
      planWith(serviceOf('web', root, { language, command: ['npm', 'start'] })),
      world.context(),
    )
    const { pid, env } = await ask(state, 'web')
    expect(pid).not.toBe(pidsOf(state, 'web')[0])
    expect(env).not.toHaveProperty('NODE_OPTIONS')
    expect(await evaluateIn(state.services[0]!.debug!.port, 'process.pid')).toBe(pid)
    await world.runtime.remove(planWith(), { purge: false }, world.context())
    expect(lives(pid)).toBe(false)
  })

  test('is absent, and the service starts, where the tool for it is missing', async () => {
    const delve = {
      ...nodeLanguage,
      debug: {
        protocol: 'delve' as const,
        port: 40_000,
        command: ['dlv', 'exec', '${command}'],
        needs: { tool: 'no-such-dlv', hint: '' },
      },
    }
    const state = await world.runtime.reconcile(
      planWith(serviceOf('web', world.service('web', ECHO), { language: delve })),
      world.context(),
    )
    expect(state.services[0]!.debug).toBeUndefined()
    expect(state.services[0]!.replicas[0]!.state).toBe('ready')
  })
})
