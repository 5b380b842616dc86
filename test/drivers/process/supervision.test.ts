import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { planOf, serviceOf } from '../../contract/plans.ts'
import { freePort } from '../../support/free-port.ts'
import { ask, createWorld, ECHO, failureOf, lives, pidsOf, until, type World } from './world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.end())

const planWith = (...services: ReturnType<typeof serviceOf>[]) => planOf(world.home, { services })

describe('a service that dies', () => {
  test('is started again on the port it had, and the restart is counted', async () => {
    const plan = planWith(serviceOf('web', world.service('web', ECHO)))
    const before = await world.runtime.reconcile(plan, world.context())
    const [pid] = pidsOf(before, 'web')
    process.kill(pid!, 'SIGKILL')
    const after = await until(async () => {
      const state = await world.runtime.read(plan, world.context())
      const [replica] = state.services[0]!.replicas
      return replica!.state === 'ready' && replica!.pid !== pid && state
    }, 'it is ready again')
    expect(after.services[0]!.replicas[0]).toMatchObject({ restarts: 1 })
    expect(after.services[0]!.endpoints).toEqual(before.services[0]!.endpoints)
    expect(world.events).toContainEqual(
      expect.objectContaining({ kind: 'health', replica: 'web-1', state: 'crashed', cause: 'web-1 was killed by SIGKILL' }),
    )
    // Its endpoint was taken back while nobody answered there.
    expect(world.events.filter((event) => event.kind === 'endpoints' && event.endpoints.length === 0).length).toBeGreaterThan(1)
  })

  test('again and again is reported with its last log lines', async () => {
    const plan = planWith(serviceOf('web', world.service('web', ECHO)))
    await world.runtime.reconcile(plan, world.context())
    const warning = await until(async () => {
      const state = await world.runtime.read(plan, world.context())
      await ask(state, 'web', '/die').catch(() => undefined)
      return world.events.find((event) => event.kind === 'warning' && event.code === 'PROCESS_CRASH_LOOP')
    }, 'the loop is reported')
    expect(warning).toMatchObject({
      message: expect.stringContaining('died as asked'),
      hint: expect.stringContaining('shiv logs web'),
    })
  })

  test('takes its group with it', async () => {
    const root = world.service(
      'web',
      `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs'
       writeFileSync('child.pid.log', String(spawn('sleep', ['1000']).pid)); ${ECHO}`,
    )
    const plan = planWith(serviceOf('web', root))
    const state = await world.runtime.reconcile(plan, world.context())
    const child = Number(readFileSync(join(root, 'child.pid.log'), 'utf8'))
    expect(lives(child)).toBe(true)
    process.kill(pidsOf(state, 'web')[0]!, 'SIGKILL')
    await until(() => !lives(child), 'the child is gone too')
  })
})

describe('a first start that fails', () => {
  test('because the service exits says what it wrote, at once', async () => {
    const root = world.service('web', `console.error("Error: no config"); process.exit(3)`)
    const failure = await failureOf(world.runtime.reconcile(planWith(serviceOf('web', root)), world.context()))
    expect(failure).toMatchObject({ code: 'PROCESS_CRASHED', message: 'web-1 exited with code 3: Error: no config' })
    expect(failure.evidence).toContain('Error: no config')
    const { services } = await world.runtime.read(planWith(serviceOf('web', root)), world.context())
    expect(services[0]!.replicas[0]).toMatchObject({ state: 'crashed' })
  })

  test('because it listens elsewhere says where', async () => {
    const other = await freePort()
    const root = world.service('web', ECHO.replace('Number(process.env.PORT)', String(other)))
    const plan = planWith(serviceOf('web', root, { health: { ...serviceOf('x', root).health!, startupSeconds: 4 } }))
    const failure = await failureOf(world.runtime.reconcile(plan, world.context()))
    expect(failure.code).toBe('PROCESS_UNHEALTHY')
    expect(failure.hint).toContain(`it listens on ${other} instead of the port in PORT`)
  })

  test('because its health path is unknown says so', async () => {
    const root = world.service('web', ECHO.replace('response.setHeader', 'response.statusCode = 404; response.setHeader'))
    const plan = planWith(serviceOf('web', root, { health: { ...serviceOf('x', root).health!, startupSeconds: 4 } }))
    const failure = await failureOf(world.runtime.reconcile(plan, world.context()))
    expect(failure).toMatchObject({ code: 'PROCESS_UNHEALTHY', message: expect.stringContaining('GET /healthz answers 404') })
    expect(failure.hint).toContain('health:')
  })

  test('because its port is taken says by whom', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, resolve))
    const { port } = taken.address() as { port: number }
    const root = world.service('web', ECHO.replace('Number(process.env.PORT)', String(port)))
    const failure = await failureOf(world.runtime.reconcile(planWith(serviceOf('web', root)), world.context()))
    taken.close()
    expect(failure.hint).toContain(`port ${port} is used by`)
    expect(failure.hint).toContain(`(pid ${process.pid})`)
  })

  test('is not taken for healthy because another process answers on its port', async () => {
    const root = world.service('web', `setTimeout(() => process.exit(4), 3_000)`)
    const plan = planWith(serviceOf('web', root))
    const starting = failureOf(world.runtime.reconcile(plan, world.context()))
    await until(() => readPids(world)[0], 'it was spawned')
    const ports = JSON.parse(readFileSync(join(world.home, 'ports.json'), 'utf8')) as { processes: Record<string, number> }
    const stranger = createServer((_, response) => response.end('healthy!'))
    await new Promise<void>((resolve) => stranger.listen(ports.processes['run-1/web.1/http'], '127.0.0.1', resolve))
    const failure = await starting
    stranger.close()
    // Only Linux tells whose the port is in time.
    if (process.platform === 'linux')
      expect(failure).toMatchObject({ code: 'PROCESS_CRASHED', message: expect.stringContaining('exited with code 4') })
  })

  test('leaves no process of it, and the next start with mended code succeeds', async () => {
    const root = world.service('web', `setTimeout(() => process.exit(1), 50)`)
    await failureOf(world.runtime.reconcile(planWith(serviceOf('web', root)), world.context()))
    world.service('web', ECHO)
    const state = await world.runtime.reconcile(planWith(serviceOf('web', root)), world.context())
    expect((await ask(state, 'web')).pid).toBe(pidsOf(state, 'web')[0])
  })

  test('interrupted: nothing half-started stays, and the next start completes it', async () => {
    const interrupted = new AbortController()
    const root = world.service(
      'web',
      `setTimeout(async () => { ${ECHO.replace(/import .*\n/, '')} }, 60_000); import { createServer } from 'node:http'`,
    )
    const starting = failureOf(
      world.runtime.reconcile(planWith(serviceOf('web', root)), world.context({ signal: interrupted.signal })),
    )
    const pid = await until(() => readPids(world)[0], 'it was spawned')
    interrupted.abort()
    expect(await starting).toMatchObject({ code: 'INTERRUPTED', exit: 130 })
    expect(lives(pid)).toBe(false)
    world.service('web', ECHO)
    const state = await world.runtime.reconcile(planWith(serviceOf('web', root)), world.context())
    expect(state.services[0]!.replicas[0]!.state).toBe('ready')
  })
})

describe('the end', () => {
  test('of a service that ignores TERM is a KILL, proved by its pid', async () => {
    const root = world.service('web', `process.on('SIGTERM', () => console.log('not now')); ${ECHO}`)
    const plan = planWith(serviceOf('web', root, { terminationGraceSeconds: 0.3 }))
    const [pid] = pidsOf(await world.runtime.reconcile(plan, world.context()), 'web')
    await world.runtime.remove(plan, { purge: false }, world.context())
    expect(lives(pid!)).toBe(false)
    expect(readFileSync(join(world.context().runDir, 'logs', 'web.1.stdout.log'), 'utf8')).toContain('not now')
  })

  test('leaves no process, port or file but data, logs and what makes the next start fast', async () => {
    const plan = planWith(serviceOf('web', world.service('web', ECHO)))
    const state = await world.runtime.reconcile(plan, world.context())
    await world.runtime.remove(plan, { purge: false }, world.context())
    await expect(ask(state, 'web')).rejects.toThrow()
    expect(readdirSync(world.context().runDir).toSorted()).toEqual(['logs', 'out'])
    await world.runtime.remove(plan, { purge: true }, world.context())
    expect(readdirSync(world.context().runDir)).toEqual([])
    expect(readFileSync(join(world.home, 'ports.json'), 'utf8')).not.toContain('web')
  })

  test('reaches a stray: one that no record names, or that left its group', async () => {
    const root = world.service('web', ECHO)
    const plan = planWith(serviceOf('web', root))
    await world.runtime.reconcile(plan, world.context())
    const { runDir } = world.context()
    const stray = spawn('sleep', ['1000'], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, SHIV_RUN_DIR: runDir, SHIV_PROCESS: 'lost.1' },
    })
    const other = spawn('sleep', ['1000'], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, SHIV_RUN_DIR: `${runDir}x`, SHIV_PROCESS: 'web.1' },
    })
    // In a group whose leader is gone.
    const leader = spawn('sh', ['-c', 'sleep 1000 & echo $!'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, SHIV_RUN_DIR: runDir, SHIV_PROCESS: 'lost.2' },
    })
    const orphan = Number(await new Promise<Buffer>((resolve) => leader.stdout.once('data', resolve)))
    await until(() => !lives(leader.pid!), 'its leader is gone')
    try {
      await until(() => existsSync(`/proc/${stray.pid}`) || process.platform !== 'linux', 'it is there')
      await world.runtime.reconcile(plan, world.context())
      expect(lives(stray.pid!)).toBe(false)
      expect(lives(orphan)).toBe(false)
      expect(lives(other.pid!)).toBe(true)
    } finally {
      other.kill('SIGKILL')
    }
  })
})

describe('ports', () => {
  test('are kept over a stop; one that is taken meanwhile is told of, with who has it', async () => {
    const plan = planWith(serviceOf('web', world.service('web', ECHO)))
    const first = await world.runtime.reconcile(plan, world.context())
    await world.runtime.remove(plan, { purge: false }, world.context())
    const second = await world.runtime.reconcile(plan, world.context())
    expect(second.services[0]!.endpoints).toEqual(first.services[0]!.endpoints)
    await world.runtime.remove(plan, { purge: false }, world.context())

    const { port } = first.services[0]!.endpoints['http']![0]!
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve))
    const third = await world.runtime.reconcile(plan, world.context())
    squatter.close()
    expect(third.services[0]!.endpoints['http']![0]!.port).not.toBe(port)
    expect(world.events).toContainEqual(
      expect.objectContaining({
        kind: 'warning',
        code: 'PROCESS_PORT_MOVED',
        message: expect.stringContaining(`(pid ${process.pid})`),
      }),
    )
  })

  test('of two runs that start at once never clash', async () => {
    const root = world.service('web', ECHO)
    const service = serviceOf('web', root, { replicas: { min: 3, max: 3 } })
    const states = await Promise.all(
      ['run-1', 'run-2'].map((run) => world.runtime.reconcile(planWith(service), world.context({ run }))),
    )
    const ports = states.flatMap((state) => state.services[0]!.endpoints['http']!.map(({ port }) => port))
    expect(new Set(ports).size).toBe(6)
    expect(new Set(states.flatMap((state) => pidsOf(state, 'web'))).size).toBe(6)
  })
})

function readPids({ context }: World): number[] {
  const folder = join(context().runDir, 'processes')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      const { identity } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { identity?: { pid: number } }
      return identity === undefined ? [] : [identity.pid]
    })
}
