import { createHash } from 'node:crypto'
import { canonicalBody, type CanonicalBody } from './canonical.ts'
import type { WebSocketMessage } from './har.ts'
import type { JsonPath } from './json-path.ts'
import { isPlainText } from './keep-body.ts'
import { bodyFits } from './match.ts'
import type { Redactor } from './redactor.ts'
import { FrameReader, closeFrame, serverFrame, type Frame } from './websocket-frames.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
/** Close code of RFC 6455: a message that the server does not take. */
const POLICY_VIOLATION = 1008

/** The answer to `Sec-WebSocket-Key`. */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64')
}

/**
 * The server's side of a recorded conversation: it sends what was received, and where the client spoke it waits until the client has said
 * the same, redacted; at anything else it closes with 1008 and says what was recorded.
 */
export async function* playWebSocket(
  messages: readonly WebSocketMessage[],
  client: AsyncIterable<Buffer>,
  comparison: { redactor: Redactor; ignored: readonly JsonPath[] },
): AsyncGenerator<Buffer> {
  const spoken = framesOf(client)
  let count = 0
  for (const message of messages) {
    if (message.type === 'receive') {
      yield serverFrame(recordedFrame(message))
      if (message.opcode === 8) return
      continue
    }
    count += 1
    let said = await spoken.next()
    while (said.done !== true && said.value.opcode > 8) {
      if (said.value.opcode === 9) yield serverFrame({ opcode: 10, data: said.value.data })
      said = await spoken.next()
    }
    if (said.done === true) return
    if (said.value.opcode === 8) return yield serverFrame({ opcode: 8, data: said.value.data.subarray(0, 2) })
    if (!isSame(message, said.value, comparison)) {
      return yield serverFrame(closeFrame(POLICY_VIOLATION, `message ${count} is not the recorded one`))
    }
  }
  for await (const frame of spoken) {
    if (frame.opcode === 9) yield serverFrame({ opcode: 10, data: frame.data })
    else if (frame.opcode === 8) return yield serverFrame({ opcode: 8, data: frame.data.subarray(0, 2) })
    else if (frame.opcode < 8) return yield serverFrame(closeFrame(POLICY_VIOLATION, 'no further message is recorded'))
  }
}

async function* framesOf(client: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  const reader = new FrameReader()
  for await (const chunk of client) yield* reader.add(chunk)
}

function recordedFrame({ opcode, data }: WebSocketMessage): Frame {
  if (opcode === 2) return { opcode, data: Buffer.from(data, 'base64') }
  if (opcode !== 8) return { opcode, data: Buffer.from(data) }
  const [, code, reason = ''] = /^(\d{4})(?: (.*))?$/s.exec(data) ?? []
  return code === undefined ? { opcode, data: Buffer.alloc(0) } : closeFrame(Number(code), reason)
}

function isSame(
  recorded: WebSocketMessage,
  said: Frame,
  { redactor, ignored }: { redactor: Redactor; ignored: readonly JsonPath[] },
): boolean {
  if (recorded.opcode !== said.opcode) return false
  const canonical = (bytes: Buffer, redact: boolean): CanonicalBody => {
    if (said.opcode === 2 || !isPlainText(bytes)) return canonicalBody({ kind: 'bytes', bytes }, undefined, [], 0)
    const text = bytes.toString('utf8')
    return canonicalBody({ kind: 'text', text: redact ? redactor.text(text) : text }, undefined, ignored, 0)
  }
  const wanted = said.opcode === 2 ? Buffer.from(recorded.data, 'base64') : Buffer.from(recorded.data)
  return bodyFits(canonical(wanted, false), canonical(said.data, true))
}
