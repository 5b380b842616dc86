import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { PassThrough } from 'node:stream'
import { dockerUnavailable, EngineError, readText, type Engine } from './engine.ts'

/** A program that runs in a container, its streams in our hands. */
export interface ExecStream {
  /** Resolves when the engine has taken the bytes. */
  write(chunk: Buffer | string): Promise<void>
  /** Closes the program's stdin. */
  end(): void
  readonly stdout: PassThrough
  /** The last 4 kB of stderr so far. */
  stderr(): string
  /** Of the program, once its streams are closed. */
  exitCode(): Promise<number>
  destroy(): void
}

export interface ExecOptions {
  signal?: AbortSignal
  cwd?: string
  /** Beside the container's own. */
  env?: Record<string, string>
}

/** Starts a program in a container. The words are passed as they are, no shell between. */
export async function execInContainer(
  engine: Engine,
  container: string,
  argv: string[],
  options: ExecOptions = {},
): Promise<ExecStream> {
  const { Id } = await engine.json<{ Id: string }>('POST', `/containers/${container}/exec`, {
    body: {
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Cmd: argv,
      ...(options.cwd !== undefined && { WorkingDir: options.cwd }),
      ...(options.env && { Env: Object.entries(options.env).map(([name, value]) => `${name}=${value}`) }),
    },
    signal: options.signal,
  })
  const { socket, head } = await hijack(engine, `/exec/${Id}/start`, options.signal)
  const stdout = new PassThrough()
  let stderr = ''
  const closed = demultiplex(socket, head, stdout, (text) => (stderr = (stderr + text).slice(-4096)))
  closed.catch(() => undefined) // seen by whoever asks for the exit code or reads stdout
  return {
    write: (chunk) => new Promise((resolve, reject) => socket.write(chunk, (error) => (error ? reject(error) : resolve()))),
    end: () => socket.end(),
    stdout,
    stderr: () => stderr,
    async exitCode() {
      await closed
      for (;;) {
        const state = await engine.json<{ Running: boolean; ExitCode: number | null }>('GET', `/exec/${Id}/json`)
        if (!state.Running) return state.ExitCode ?? -1
        await new Promise((resolve) => setTimeout(resolve, 5)) // the engine closes the streams a moment before it notes the end
      }
    },
    destroy: () => socket.destroy(),
  }
}

/** Runs a program in a container to its end. */
export async function runInContainer(
  engine: Engine,
  container: string,
  argv: string[],
  options: ExecOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const exec = await execInContainer(engine, container, argv, options)
  exec.end()
  const stdout = await readText(exec.stdout as unknown as IncomingMessage)
  return { code: await exec.exitCode(), stdout, stderr: exec.stderr() }
}

function hijack(engine: Engine, path: string, signal?: AbortSignal): Promise<{ socket: Duplex; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ Detach: false, Tty: false })
    const request = httpRequest({
      ...engine.address,
      method: 'POST',
      path,
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        connection: 'Upgrade',
        upgrade: 'tcp',
      },
    })
    request.on('error', (error) => reject(signal?.aborted ? signal.reason : dockerUnavailable(error)))
    request.on('response', (response) => {
      readText(response).then((text) => reject(new EngineError(response.statusCode ?? 500, text)), reject)
    })
    request.on('upgrade', (_response, socket, head) => resolve({ socket, head }))
    request.end(body)
  })
}

/** Splits the engine's frames: one byte of stream number, three of zero, four of length, then the bytes. */
function demultiplex(socket: Duplex, head: Buffer, stdout: PassThrough, onStderr: (text: string) => void): Promise<void> {
  let pending: Buffer = Buffer.alloc(0)
  const take = (chunk: Buffer): boolean => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    let flowing = true
    while (pending.length >= 8) {
      const size = pending.readUInt32BE(4)
      if (pending.length < 8 + size) break
      const payload = pending.subarray(8, 8 + size)
      if (pending[0] === 2) onStderr(payload.toString('utf8'))
      else flowing = stdout.write(payload)
      pending = pending.subarray(8 + size)
    }
    return flowing
  }
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      if (take(chunk)) return
      socket.pause()
      stdout.once('drain', () => socket.resume())
    })
    socket.on('close', () => {
      stdout.end()
      resolve()
    })
    socket.on('end', () => socket.end())
    socket.on('error', (error) => {
      stdout.destroy(error)
      reject(error)
    })
    if (head.length > 0) take(head)
  })
}
