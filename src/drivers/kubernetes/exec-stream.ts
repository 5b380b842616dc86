import { setTimeout as delay } from 'node:timers/promises'
import type { Transport } from '../sync/transport.ts'
import type { KubeClient } from './client.ts'
import { CHANNEL, openExecSocket } from './exec-socket.ts'
import type { Pod } from './objects.ts'

/** The API server reads messages of any size into memory; these are small enough for it and big enough for us. */
const MESSAGE_BYTES = 64 * 1024
/** More than this on its way, and the writer waits. */
const BUFFER_BYTES = 1024 * 1024

/** Runs a command in a container with its input and output held open. Rejects when it cannot be run. */
export async function openExecStream(
  client: KubeClient,
  pod: Pod,
  container: string,
  argv: string[],
  signal: AbortSignal,
): Promise<Transport> {
  const { socket, release } = await openExecSocket(client, pod, container, argv, { stdin: true })
  const listeners: ((bytes: Buffer) => void)[] = []
  const early: Buffer[] = []
  let said = ''
  socket.addEventListener('message', ({ data }) => {
    const bytes = Buffer.from(data as ArrayBuffer)
    const rest = bytes.subarray(1)
    if (bytes[0] !== CHANNEL.stdout) {
      if (said.length < 2000) said += rest.toString('utf8')
      return
    }
    if (listeners.length === 0) early.push(rest)
    for (const listener of listeners) listener(rest)
  })
  const closed = new Promise<string>((resolve) => {
    socket.addEventListener('close', ({ reason }) => resolve(reason || wordsOf(said) || 'the connection was closed'))
    socket.addEventListener('error', ({ error, message }) => resolve(message || String(error)))
  })
  const close = () => socket.close()
  signal.addEventListener('abort', close, { once: true })
  void closed.then(() => {
    signal.removeEventListener('abort', close)
    return release()
  })
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve())
    void closed.then((why) => reject(new Error(why)))
  })
  return {
    closed,
    close,
    onData(listener) {
      listeners.push(listener)
      for (const bytes of early.splice(0)) listener(bytes)
    },
    async write(bytes) {
      for (let from = 0; from < bytes.length; from += MESSAGE_BYTES) {
        const part = bytes.subarray(from, from + MESSAGE_BYTES)
        const message = Buffer.allocUnsafe(part.length + 1)
        message[0] = CHANNEL.stdin
        part.copy(message, 1)
        socket.send(message)
        while (socket.bufferedAmount > BUFFER_BYTES && socket.readyState === socket.OPEN) await delay(1)
      }
      if (socket.readyState !== socket.OPEN) throw new Error('the connection is closed')
    },
  }
}

/** What the error stream says is a Status object. */
function wordsOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text
  } catch {
    return text.trim() // the command's own words
  }
}
