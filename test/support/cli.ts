import { build } from 'esbuild'
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ErrorShape } from '../../src/core/errors.ts'
import { socketPath } from '../../src/core/paths.ts'
import type { Request, RequestLine, WireEvent } from '../../src/wire/messages.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Bundles the CLI as `build.mjs` does, beside a copy of `bin`, into a folder of this test's own. */
export async function buildCli(name: string): Promise<{ bin: string; remove(): void }> {
  const folder = join(root, 'node_modules', '.cache', `shiv-${name}-${process.pid}`)
  mkdirSync(join(folder, 'bin'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n')
  for (const file of ['bin/shiv.js', 'bin/package.json']) copyFileSync(join(root, file), join(folder, file))
  await build({
    entryPoints: { 'cli/main': join(root, 'src/cli/main.ts') },
    outdir: join(folder, 'dist'),
    bundle: true,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    logLevel: 'warning',
  })
  return { bin: join(folder, 'bin/shiv.js'), remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export interface Ended {
  /** Null when a signal ended it. */
  code: number | null
  stdout: string
  stderr: string
}

/** Runs the CLI as a process of its own, without a terminal, until it ends. `onOutput` sees stdout as it grows. */
export function runCli(
  bin: string,
  words: string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; onOutput?: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...words], {
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let isKilled = false
    // A second signal would end it at once, which is another test.
    const killOnce = (signal: NodeJS.Signals): void => {
      if (!isKilled) child.kill(signal)
      isKilled = true
    }
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      options.onOutput?.(stdout, killOnce)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

export type Answer =
  | { events?: WireEvent[]; result: unknown }
  | { events?: WireEvent[]; error: ErrorShape }
  | { events?: WireEvent[]; hang: true }

/** A daemon's side of the wire that answers by a script: to hold the client to the protocol without anything running. */
export async function scriptDaemon(
  home: string,
  script: (request: Request) => Answer,
): Promise<{ requests: Request[]; close(): Promise<void> }> {
  const requests: Request[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    let rest = ''
    let open: { id: string } | undefined
    const send = (message: unknown): unknown => socket.write(`${JSON.stringify(message)}\n`)
    socket.on('error', () => {}) // A client that was killed: nobody to answer.
    socket.on('end', () => {
      // The caller gives up: what hangs is answered as the daemon does.
      if (open) send({ id: open.id, ok: false, error: { code: 'INTERRUPTED', message: 'given up', exit: 130 } })
      socket.end()
    })
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const { id, request } = JSON.parse(line) as RequestLine
        requests.push(request)
        const answer = script(request)
        for (const event of answer.events ?? []) send({ id, event })
        if ('hang' in answer) open = { id }
        else send('result' in answer ? { id, ok: true, result: answer.result } : { id, ok: false, error: answer.error })
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(socketPath(home), resolve))
  return {
    requests,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
