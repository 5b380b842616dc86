import type { Duplex } from 'node:stream'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import { take } from '../stream/take.ts'
import { createCommandGuard } from './guard-commands.ts'
import { readInline, RedisProtocolError } from './split-commands.ts'

/** Of what a client says before it is let in. */
const MOST_BYTES = 64 * 1024
const OK = Buffer.from('+OK\r\n')

/**
 * Waits until a client shows its password, so that nothing is dialled for one that has none; what shows it stays in the stream, for whoever serves
 * it. False when it left by itself. Rejects when it breaks off or the signal aborts, with RedisProtocolError for what is no command.
 */
export async function admitClient(client: Duplex, setting: DependencySetting, signal: AbortSignal): Promise<boolean> {
  if (setting.clientPassword === undefined) return true
  const guard = createCommandGuard(setting, undefined)
  let bytes: Buffer = Buffer.alloc(0)
  for (;;) {
    let at = 0
    for (let command = readCommand(bytes, at); command !== undefined; command = readCommand(bytes, at)) {
      const { words, end } = command
      const fate = words.length === 0 ? undefined : guard.decide(words, words.length)
      if (fate !== undefined && fate !== 'more') {
        if (fate.name === 'quit') {
          client.end(OK)
          return false
        }
        if (fate.kind !== 'answer' || fate.answer.equals(OK)) {
          client.unshift(bytes.subarray(at))
          return true
        }
        client.write(fate.answer)
      }
      at = end
    }
    bytes = bytes.subarray(at)
    if (bytes.length > MOST_BYTES) throw new RedisProtocolError('a command before the password is too long')
    const first = await take(client, 1, signal)
    const rest = (client.read() as Buffer | null) ?? Buffer.alloc(0)
    bytes = Buffer.concat([bytes, first, rest])
  }
}

/** The whole command that begins at `at`, or undefined while it is not all there. */
function readCommand(bytes: Buffer, at: number): { words: Buffer[]; end: number } | undefined {
  const line = (from: number): { text: string; end: number } | undefined => {
    const end = bytes.indexOf('\n', from)
    return end < 0 ? undefined : { text: bytes.toString('latin1', from, end).replace(/\r$/, ''), end: end + 1 }
  }
  const head = line(at)
  if (head === undefined) return undefined
  if (!head.text.startsWith('*')) return { words: readInline(head.text), end: head.end }
  const words: Buffer[] = []
  let end = head.end
  for (let left = countOf(head.text); left > 0; left -= 1) {
    const size = line(end)
    if (size === undefined) return undefined
    if (!size.text.startsWith('$')) throw new RedisProtocolError("expected '$'")
    const length = countOf(size.text)
    if (bytes.length < size.end + length + 2) return undefined
    words.push(bytes.subarray(size.end, size.end + length))
    end = size.end + length + 2
  }
  return { words, end }
}

function countOf(text: string): number {
  if (!/^.\d{1,5}$/.test(text))
    throw new RedisProtocolError('a length is no number, or too great for what comes before the password')
  return Number(text.slice(1))
}
