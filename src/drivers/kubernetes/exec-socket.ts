import type { WebSocket } from 'undici'
import type { KubeClient } from './client.ts'
import { knownPath } from './mapping.ts'
import type { Pod } from './objects.ts'

/** The first byte of every message says which stream it is of. */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3 } as const

export interface ExecSocket {
  socket: WebSocket
  /** Lets go of the connection, once the socket is closed. */
  release(): Promise<void>
}

/** Opens the WebSocket of a command in a container, without a shell. */
export async function openExecSocket(
  client: KubeClient,
  pod: Pod,
  container: string,
  argv: string[],
  streams: { stdin: boolean },
): Promise<ExecSocket> {
  const { Agent, WebSocket } = await import('undici')
  const { access } = client
  const dispatcher = new Agent({
    connect: {
      ...(access.ca && { ca: access.ca }),
      ...(access.certificate && { cert: access.certificate }),
      ...(access.key && { key: access.key }),
      ...(access.serverName && { servername: access.serverName }),
      noDelay: true,
    },
  })
  const query = new URLSearchParams({ container, stdout: 'true', stderr: 'true', ...(streams.stdin && { stdin: 'true' }) })
  for (const word of argv) query.append('command', word)
  const url = new URL(`${knownPath('Pod', pod.metadata.namespace, pod.metadata.name)}/exec?${query}`, access.server)
  url.protocol = 'wss:'
  const socket = new WebSocket(url, {
    dispatcher,
    protocols: ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    ...(access.token && { headers: { authorization: `Bearer ${access.token}` } }),
  })
  socket.binaryType = 'arraybuffer'
  return { socket, release: () => dispatcher.close() }
}
