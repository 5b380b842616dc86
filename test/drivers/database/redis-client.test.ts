import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { askRedis } from '../../../src/drivers/database/redis-client.ts'

let server: Server
const sockets = new Set<Socket>()
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
})

async function answering(onData: (socket: Socket) => void): Promise<{ host: string; port: number; password: string }> {
  server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => onData(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, password: '' }
}

test('a server that does not answer by its time fails the question', async () => {
  const address = await answering(() => undefined)
  await expect(askRedis(address, ['PING'], AbortSignal.timeout(50))).rejects.toThrow()
})

test('a server that goes away fails the question', async () => {
  const address = await answering((socket) => socket.resetAndDestroy())
  await expect(askRedis(address, ['PING'], AbortSignal.timeout(5_000))).rejects.toThrow()
})
