import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Agent, openAgent } from '../../../src/drivers/sync/agent.ts'
import { frameOf } from '../../../src/drivers/sync/frame.ts'
import { freePort } from '../../support/free-port.ts'
import { type Replica, type Supervised, busybox, createReplica, isAlive } from '../../support/replica.ts'

const hasPython = spawnSync('python3', ['-c', 'pass']).status === 0
if (!hasPython) console.log('skipped: a spare python needs python3, which is not installed')
if (busybox === undefined) console.log('skipped: the replica scripts run with a static busybox (none here, and no image of it)')

const server = (greeting: string, more = '') => `
const { createServer } = require('node:http')
createServer((request, response) => response.end(request.url === '/healthz' ? 'ok' : ${JSON.stringify(greeting)} + ' ' + process.pid))
  .listen(Number(process.env.PORT))
${more}`

describe.skipIf(busybox === undefined)('run.sh', () => {
  let replica: Replica
  let port: number
  let service: Supervised

  beforeEach(async () => {
    replica = createReplica()
    port = await freePort()
  })
  afterEach(() => replica.dispose())

  const env = (more = {}) => ({ PORT: String(port), SHIV_HEALTH_PORT: String(port), SHIV_HEALTH_PATH: '/healthz', ...more })
  const save = (text: string, name = 'server.cjs') => writeFileSync(join(replica.code, name), text)
  const run = (command: string[], more = {}) => (service = replica.run(command, env(more)))
  const connect = async () => {
    await expect.poll(() => existsSync(join(replica.home, 'run')), { timeout: 10_000 }).toBe(true)
    return openAgent(replica.connect())
  }
  const ask = async () => (await fetch(`http://127.0.0.1:${port}/`)).text()
  const answering = () => expect.poll(() => ask().catch(() => ''), { timeout: 10_000, interval: 20 }).not.toBe('')
  const restart = (agent: Agent, sequence: number, how = 'process') => agent.restart(sequence, how, 20)
  const state = () => readFileSync(join(replica.home, 'state'), 'utf8').trim().split(' ')

  describe('as long as no order came', () => {
    it('ends as the service ends', async () => {
      run(['/bin/sh', '-c', 'echo out; echo err >&2; exit 7'])
      expect(await service.exited).toEqual({ code: 7, signal: null })
      expect(service.output().split('\n').sort()).toEqual(['', 'err', 'out'])
    })

    it('ends with 128 and the number of the signal that ended the service', async () => {
      run(['/bin/sh', '-c', 'kill -SEGV $$'])
      expect(await service.exited).toEqual({ code: 139, signal: null })
    })

    it('says that a program is not there as a shell would', async () => {
      run(['no-such-program'])
      expect((await service.exited).code).toBe(127)
      expect(service.output()).toContain('no-such-program')
    })

    it('passes TERM on and lets the service end in its own way', async () => {
      run([
        process.execPath,
        '-e',
        'process.on("SIGTERM", () => { console.log("bye"); process.exit(3) }); setInterval(() => {}, 1000); console.log("up")',
      ])
      await expect.poll(() => service.output()).toContain('up')
      service.process.kill('SIGTERM')
      expect(await service.exited).toEqual({ code: 3, signal: null })
      expect(service.output()).toBe('up\nbye\n')
    })
  })

  it('gives the service its words, environment and folder as they are', async () => {
    const words = ["it's", 'a  b', '$HOME', '`x`', '', 'new\nline', '*', '\\', '"']
    const variables = { 'my.odd-name': "it's odd", NODE_OPTIONS: '', EMPTY: '', 'a b': 'c', MULTI: 'x\ny' }
    save('console.log(JSON.stringify([process.argv.slice(2), process.env, process.cwd()]))', 'tell.cjs')
    run([process.execPath, 'tell.cjs', ...words], variables)
    await service.exited
    const [argv, seen, folder] = JSON.parse(service.output()) as [string[], Record<string, string>, string]
    expect(argv).toEqual(words)
    expect(folder).toBe(replica.code)
    const { PWD, ...rest } = seen
    expect(rest).toEqual({ PATH: process.env['PATH'], ...env(variables) })
    expect([undefined, replica.code]).toContain(PWD)
  })

  it('runs the program of the image, not an applet of the same name', async () => {
    run(['sh', '-c', 'readlink /proc/$$/exe'])
    await service.exited
    expect(service.output()).not.toContain('busybox')
  })

  it('restarts: the new process has the new code, the old one is gone with all that it started', async () => {
    save(server('one', 'require("node:child_process").spawn("/bin/sleep", ["777"]).unref()'))
    run([process.execPath, 'server.cjs'])
    await answering()
    const agent = await connect()
    const old = agent.hello.pid
    const child = Number(execFileSync('pgrep', ['-P', String(old)], { encoding: 'utf8' }).trim())
    save(server('two'))
    let begun = 0
    const done = await agent.restart(1, 'process', 20, (pid) => (begun = pid))
    expect(done).toEqual({ state: 'ready', pid: begun })
    expect(await ask()).toBe(`two ${begun}`)
    expect([isAlive(old), isAlive(child), isAlive(begun)]).toEqual([false, false, true])
    expect(begun).not.toBe(old)
  })

  it('kills what ignores TERM after its grace', async () => {
    save(server('stubborn', 'process.on("SIGTERM", () => console.log("no"))'))
    run([process.execPath, 'server.cjs'], { SHIV_GRACE_SECONDS: '1' })
    await answering()
    const agent = await connect()
    save(server('next'))
    expect(await restart(agent, 1)).toMatchObject({ state: 'ready' })
    expect(await ask()).toMatch(/^next/)
    expect(service.output()).toContain('no\n')
    expect(isAlive(agent.hello.pid)).toBe(false)
  })

  it('stays when the code of an order crashes, says how, and the next order mends it at once', async () => {
    save(server('one'))
    run([process.execPath, 'server.cjs'])
    await answering()
    const agent = await connect()
    save('throw new Error("broken on purpose")')
    expect(await restart(agent, 1)).toEqual({ state: 'failed', cause: 'its process ended with code 1', hasEnded: true })
    expect(service.output()).toContain('broken on purpose')
    expect(service.process.exitCode).toBeNull()
    save(server('mended'))
    expect(await restart(agent, 2)).toMatchObject({ state: 'ready' })
    expect(await ask()).toMatch(/^mended/)
  })

  it('starts a service again that crashed later, and tells of it', async () => {
    save(server('one'))
    run([process.execPath, 'server.cjs'])
    await answering()
    const agent = await connect()
    const crashes: number[] = []
    agent.onCrash((code) => crashes.push(code))
    const { pid } = await restart(agent, 1)
    process.kill(pid as number, 'SIGKILL')
    await expect.poll(() => crashes, { timeout: 10_000 }).toEqual([137])
    await expect.poll(() => ask().catch(() => ''), { timeout: 10_000 }).toMatch(/^one/)
  })

  it('says what does not become healthy, in the time it has', async () => {
    save(server('one'))
    run([process.execPath, 'server.cjs'])
    await answering()
    const agent = await connect()
    save('setInterval(() => {}, 1000)')
    expect(await agent.restart(1, 'process', 1)).toEqual({
      state: 'failed',
      cause: `it is not healthy: nothing listens on port ${port}`,
    })
    save(server('ill').replace("'ok'", '(response.statusCode = 503, "ill")'))
    expect(await agent.restart(2, 'process', 1)).toEqual({ state: 'failed', cause: 'it is not healthy: /healthz answers 503' })
    save(server('well'))
    expect(await agent.restart(3, 'process', 20)).toMatchObject({ state: 'ready' })
  })

  it('takes a service without a health path for ready when its port takes connections', async () => {
    save('')
    run([process.execPath, '-e', 'setInterval(() => {}, 1000)'], { SHIV_HEALTH_PATH: '' })
    const agent = await connect()
    const why = `it is not healthy: nothing listens on port ${port}`
    expect(await agent.restart(1, 'process', 1)).toEqual({ state: 'failed', cause: why })
    agent.close()
    service.process.kill('SIGTERM')
    await service.exited
    save("require('node:net').createServer({ allowHalfOpen: true }, () => {}).listen(Number(process.env.PORT))")
    run([process.execPath, 'server.cjs'], { SHIV_HEALTH_PATH: '' })
    const other = await connect()
    expect(await other.restart(2, 'process', 20)).toMatchObject({ state: 'ready' })
  })

  it('says that a health path is answered in no HTTP, or not at all', async () => {
    save(server('one'))
    run([process.execPath, 'server.cjs'])
    await answering()
    const agent = await connect()
    save("require('node:net').createServer((socket) => socket.end()).listen(Number(process.env.PORT))")
    const cause = 'it is not healthy: /healthz is not answered in HTTP'
    expect(await agent.restart(1, 'process', 1)).toEqual({ state: 'failed', cause })
    save("require('node:net').createServer(() => {}).listen(Number(process.env.PORT))")
    expect(await agent.restart(2, 'process', 1)).toEqual({
      state: 'failed',
      cause: 'it is not healthy: /healthz does not answer',
    })
    save(server('two'))
    expect(await agent.restart(3, 'process', 20)).toMatchObject({ state: 'ready' })
  })

  it('lets the newest of many orders win', async () => {
    save(server('one'))
    run([process.execPath, 'server.cjs'])
    await answering()
    const agent = await connect()
    for (let sequence = 1; sequence < 30; sequence++) {
      save(server(`n${sequence}`))
      void restart(agent, sequence).catch(() => {})
      await sleep(sequence % 7)
    }
    save(server('last'))
    expect(await restart(agent, 30)).toMatchObject({ state: 'ready' })
    expect(await ask()).toMatch(/^last/)
  })

  it('sends a signal, or nothing, and then asks for health', async () => {
    save(server('one', 'process.on("SIGHUP", () => console.log("read again"))'))
    run([process.execPath, 'server.cjs'])
    await answering()
    const agent = await connect()
    expect(await restart(agent, 1, 'HUP')).toEqual({ state: 'ready', pid: agent.hello.pid })
    await expect.poll(() => service.output()).toContain('read again')
    expect(await restart(agent, 2, 'none')).toEqual({ state: 'ready', pid: agent.hello.pid })
  })

  it('leaves no zombie', async () => {
    save(
      server(
        'one',
        'for (let n = 0; n < 5; n++) require("node:child_process").spawn("/bin/sh", ["-c", "sleep 0.1 & exec sleep 0.2"], { detached: true }).unref()',
      ),
    )
    run([process.execPath, 'server.cjs'])
    await answering()
    const agent = await connect()
    for (let sequence = 1; sequence <= 3; sequence++) await restart(agent, sequence)
    const zombies = () =>
      execFileSync('ps', ['-eo', 'stat,ppid'], { encoding: 'utf8' })
        .split('\n')
        .filter((line) => line.startsWith('Z') && line.trim().endsWith(` ${service.process.pid}`))
    await expect.poll(zombies, { timeout: 5000 }).toEqual([])
  })

  it('waits for what the overlay brings where it has to', async () => {
    writeFileSync(join(replica.home, 'wait'), '')
    run([process.execPath, 'server.cjs'])
    const agent = await connect()
    expect(agent.hello).toMatchObject({ condition: 'waiting', running: 0 })
    expect(state()[0]).toBe('waiting')
    const source = join(replica.image, 'server.cjs')
    writeFileSync(source, server('overlaid'))
    const file = { source, hash: '', mode: 0o644, sizeBytes: 0 }
    const frame = frameOf([{ path: './server.cjs', file, sizeBytes: Buffer.byteLength(server('overlaid')), mtime: 1 }])
    expect(await agent.apply(5, 'abc', frame)).toEqual({ refused: new Map() })
    await answering()
    expect(await ask()).toMatch(/^overlaid/)
    expect(state().slice(0, 4)).toEqual(['running', '1', expect.any(String), '5'])
  })

  describe('with a spare', () => {
    const spared = (more = {}) =>
      run([process.execPath, '--stack-trace-limit=20', 'server.cjs', 'x'], { SHIV_SPARE: 'node', ...more })
    const spareOf = () => {
      const all = execFileSync('pgrep', ['-P', String(service.process.pid), 'node'], { encoding: 'utf8' })
        .split('\n')
        .filter(Boolean)
      return all.map(Number).filter((pid) => String(pid) !== state()[2])
    }

    it('goes on in the spare, which runs the newest code, and makes another', async () => {
      save(server('one'))
      spared()
      await answering()
      const agent = await connect()
      for (let sequence = 1; sequence <= 10; sequence++) {
        await expect.poll(spareOf, { timeout: 10_000 }).toHaveLength(1)
        const [spare] = spareOf()
        save(server(`n${sequence}`))
        expect(await restart(agent, sequence)).toEqual({ state: 'ready', pid: spare })
        expect(await ask()).toBe(`n${sequence} ${spare}`)
      }
    })

    it.skipIf(!hasPython)('keeps one for python, with what it preloads', async () => {
      const program = (greeting: string) => `
import os, sys
preloaded = "http.server" in sys.modules
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"${greeting} {preloaded} {os.getpid()}".encode())
    def log_message(self, *words): pass
HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`
      save(program('one'), 'main.py')
      const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim()
      run([python, '-B', 'main.py'], { SHIV_SPARE: 'python', SHIV_PRELOAD: 'http.server' })
      await answering()
      expect(await ask()).toBe(`one False ${state()[2]}`)
      const agent = await connect()
      const waiting = () =>
        execFileSync('pgrep', ['-P', String(service.process.pid), '-f', 'spare.py'], { encoding: 'utf8' })
          .split('\n')
          .filter(Boolean)
      for (let sequence = 1; sequence <= 3; sequence++) {
        const spares = () =>
          waiting()
            .map(Number)
            .filter((pid) => String(pid) !== state()[2])
        await expect.poll(() => spares().length, { timeout: 10_000 }).toBe(1)
        const [spare] = spares()
        save(program(`n${sequence}`), 'main.py')
        expect(await restart(agent, sequence)).toEqual({ state: 'ready', pid: spare })
        expect(await ask()).toBe(`n${sequence} True ${spare}`)
      }
    })

    it('starts anew where something was installed since the spare started', async () => {
      save(server('one'))
      spared()
      await answering()
      const agent = await connect()
      await expect.poll(spareOf, { timeout: 10_000 }).toHaveLength(1)
      const [outdated] = spareOf()
      const source = join(replica.image, 'main.js')
      writeFileSync(source, 'exports.word = 1')
      const file = { source, hash: '', mode: 0o644, sizeBytes: 0 }
      await agent.apply(1, 'abc', frameOf([{ path: './node_modules/a/main.js', file, sizeBytes: 16, mtime: 1 }]))
      expect(await restart(agent, 1)).toMatchObject({ state: 'ready' })
      expect(await ask()).not.toContain(String(outdated))
      expect(isAlive(outdated as number)).toBe(false)
      await expect.poll(spareOf, { timeout: 10_000 }).toHaveLength(1)
    })

    it('starts anew where the spare is dead', async () => {
      save(server('one'))
      spared()
      await answering()
      const agent = await connect()
      await expect.poll(spareOf, { timeout: 10_000 }).toHaveLength(1)
      process.kill(spareOf()[0] as number, 'SIGKILL')
      save(server('two'))
      expect(await restart(agent, 1)).toMatchObject({ state: 'ready' })
      expect(await ask()).toMatch(/^two/)
    })

    it('opens the same debug port after each restart', async () => {
      const debug = await freePort()
      save(server('one'))
      spared({ NODE_OPTIONS: `--no-warnings --inspect=127.0.0.1:${debug}` })
      await answering()
      const agent = await connect()
      const sessions = new Set<string>()
      for (let sequence = 1; sequence <= 2; sequence++) {
        await expect.poll(spareOf, { timeout: 10_000 }).toHaveLength(1)
        const [spare] = spareOf()
        expect(await restart(agent, sequence)).toEqual({ state: 'ready', pid: spare })
        const targets = (await (await fetch(`http://127.0.0.1:${debug}/json/list`)).json()) as { id: string }[]
        for (const { id } of targets) sessions.add(id)
      }
      expect(sessions.size).toBe(2)
      expect(service.output()).not.toContain('address already in use')
    })

    it.each([[['-e', 'require("./server.cjs")']], [['--env-file=.env', 'server.cjs']], [['--watch', 'server.cjs']]])(
      'has none for node %j',
      async (words) => {
        save(server('one'))
        save('', '.env')
        run([process.execPath, ...words], { SHIV_SPARE: 'node' })
        await answering()
        const agent = await connect()
        await restart(agent, 1)
        await agent.ping()
        expect(spareOf().filter((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').includes('SHIV_SPARE_FIFO'))).toEqual([])
      },
    )
  })
})
