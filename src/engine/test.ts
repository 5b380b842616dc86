import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { secretValues, withoutCredentials } from '../core/ci-credentials.ts'
import { ShivError } from '../core/errors.ts'
import type { ServicePlan } from '../plan/types.ts'
import { requireRun, requireServices } from './find-run.ts'
import { testEnvironment } from './test-environment.ts'
import type { Ask } from './parts.ts'
import { serviceEnvironment } from './reload/build-step.ts'
import type { ServiceTest, StartParams, TestResult } from './results.ts'
import type { Run } from './run.ts'
import { modesOf, selected } from './start.ts'
import { createSteps } from './steps.ts'
import { quietContext } from './work.ts'
import type { Workshop } from './workshop.ts'

/** Lines that the result keeps of each service's tests, from the end. */
const KEPT = 200

/**
 * Runs the test commands of services that run, one after the other, in their folders on this machine and with the addresses of the run; their output
 * comes as `log` events. Tests that fail are part of the result. Throws RUN_NOT_FOUND, RUN_NOT_STARTED, and INTERRUPTED when the caller left.
 */
export async function testServices(shop: Workshop, params: StartParams, ask: Ask): Promise<TestResult> {
  const run = requireRun(shop, params.path)
  requireServices(run, params.services)
  if (!run.isAttached || (run.record.state !== 'running' && run.record.state !== 'degraded')) throw notRunning(run)
  const began = performance.now()
  const { commands, untested } = await testCommands(shop, run, params)
  const runtime = await shop.parts.runtime(run.record.runtime)
  run.live = await runtime.read(run.record.plan, quietContext(run, ask.signal, params.environment))
  const { redactor } = shop.parts
  for (const value of secretValues(params.environment)) redactor.add(value)
  const { step } = createSteps((event) => void ask.emit({ kind: 'step', step: redactor.deep(event) }))
  const tests: ServiceTest[] = []
  for (const { service, argv } of commands) {
    const tested = await step(`test ${service.name}`, ({ note }) =>
      testService(shop, { run, service, argv, environment: params.environment }, ask).then((result) => {
        note(result.passed ? 'passed' : `failed with ${result.code}`)
        return result
      }),
    )
    if (ask.signal.aborted) throw new ShivError('The tests were interrupted.', { code: 'INTERRUPTED', exit: 130 })
    tests.push(tested)
  }
  return { version: 1, workspace: run.record.workspace.name, tests, untested, durationMs: performance.now() - began }
}

function notRunning({ record }: Run): ShivError {
  const { name, root } = record.workspace
  return new ShivError(`${name} does not run: it is ${record.state}.`, {
    code: 'RUN_NOT_STARTED',
    exit: 2,
    hint: `shiv start -C ${root}`,
  })
}

/** The commands are part of reload, which a run may be without: they are read from the definition as it is now. */
async function testCommands(
  shop: Workshop,
  run: Run,
  params: StartParams,
): Promise<{ commands: { service: ServicePlan; argv: string[] }[]; untested: string[] }> {
  const planner = await shop.parts.planner()
  const model = await planner.load(params.path, { environment: run.record.environment })
  const named = selected(model, params).filter((name) => run.record.plan.services.some((service) => service.name === name))
  const plan = planner.localise(
    planner.build(model, { services: named }),
    run.record.runtime,
    model,
    modesOf({ debug: run.record.debug, reload: true }),
  )
  const meant = plan.services.filter(({ name }) => named.includes(name))
  const commands = meant.flatMap((service) => {
    const argv = service.reload?.test
    return argv === undefined || hasNoScript(service, argv) ? [] : [{ service, argv }]
  })
  const untested = meant.flatMap(({ name }) => (commands.some(({ service }) => service.name === name) ? [] : [name]))
  return { commands, untested }
}

/** `npm run test --if-present` is content where there is no such script: nothing was tested then. */
function hasNoScript({ root }: ServicePlan, argv: string[]): boolean {
  const [tool, run, script = ''] = argv
  if (tool !== 'npm' || run !== 'run' || !argv.includes('--if-present')) return false
  try {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts?: Record<string, string> }
    return scripts?.[script] === undefined
  } catch {
    return false // npm says what is wrong with it
  }
}

async function testService(
  shop: Workshop,
  { run, service, argv, environment }: { run: Run; service: ServicePlan; argv: string[]; environment: NodeJS.ProcessEnv },
  ask: Ask,
): Promise<ServiceTest> {
  const context = quietContext(run, ask.signal, environment)
  const { redactor } = shop.parts
  const began = performance.now()
  const own = testEnvironment(run.record.plan, service, {
    databases: run.live?.databases ?? [],
    service: (name) => run.routes.address(name)?.directUrl,
    dependency: (name) => run.dependencies?.address(name),
    secretValue: context.secretValue,
  })
  const command = await shop.parts.command()
  const { code, lines } = await command(argv, {
    cwd: service.root,
    env: { ...serviceEnvironment(withoutCredentials(environment), service), ...own },
    signal: ask.signal,
    onLine: (text) => {
      const line = { time: Date.now(), source: service.name, replica: 'test', stream: 'stdout' as const, text }
      void ask.emit({ kind: 'log', line: redactor.deep(line) })
    },
  })
  return {
    service: service.name,
    command: argv,
    passed: code === 0,
    code,
    durationMs: performance.now() - began,
    lines: redactor.deep(lines.slice(-KEPT)),
    ...(code === 127 && lines.length === 0 && { missing: argv[0] ?? '' }),
  }
}
