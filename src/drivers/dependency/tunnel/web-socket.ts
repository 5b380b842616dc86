import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Agent, request } from 'node:https'
import type { Duplex } from 'node:stream'
import { KubeApiError, secureOptions } from '../../kubernetes/client.ts'
import type { Access } from '../../kubernetes/kubeconfig.ts'

/** RFC 6455, 1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Asks the API server to speak WebSocket on a connection of its own; gives that connection, from which frames are to be read. Throws
 * KubeApiError for another answer, the connection's own error when there is none.
 */
export function openWebSocket(
  access: Access,
  path: string,
  protocol: string,
  agent: Agent,
  signal: AbortSignal,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const key = randomBytes(16).toString('base64')
    const asked = request({
      ...secureOptions(access),
      agent,
      signal,
      method: 'GET',
      path: access.server.pathname.replace(/\/$/, '') + path,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': key,
        'sec-websocket-protocol': protocol,
        'user-agent': 'shiv',
        ...(access.token && { authorization: `Bearer ${access.token}` }),
      },
    })
    asked.once('upgrade', (answer: IncomingMessage, socket: Duplex, head: Buffer) => {
      const accepted = createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64')
      const isOurs = answer.headers['sec-websocket-accept'] === accepted
      if (isOurs && answer.headers['sec-websocket-protocol'] === protocol) {
        if (head.length > 0) socket.unshift(head)
        return resolve(socket)
      }
      socket.destroy()
      reject(new Error(`the API server does not speak ${protocol}`))
    })
    asked.once('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => (text += part))
      answer.once('end', () => reject(new KubeApiError(answer.statusCode ?? 0, text, path)))
      answer.once('error', reject)
    })
    asked.once('error', reject)
    asked.end()
  })
}
