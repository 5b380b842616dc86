import { connect } from 'node:net'
import { ask } from '../redis/resp.ts'

/** Runs one command on a connection of its own and returns its answer as text, empty where there is none. Throws what the server refuses with. */
export async function askRedis(
  address: { host: string; port: number; password: string },
  command: string[],
  signal: AbortSignal,
): Promise<string> {
  const socket = connect({ host: address.host, port: address.port, signal })
  socket.on('error', () => undefined) // told to whoever asks; between two questions nobody listens
  try {
    if (address.password !== '') await ask(socket, ['AUTH', address.password], signal)
    return String((await ask(socket, command, signal)) ?? '')
  } finally {
    socket.destroy()
  }
}
