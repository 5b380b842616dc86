import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, expect, it } from 'vitest'
import { openPodDoor } from '../../../src/drivers/dependency/pod-door.ts'
import type { PodDoor } from '../../../src/engine/dependency-ports.ts'

const doors: PodDoor[] = []
afterEach(async () => void (await Promise.all(doors.splice(0).map((door) => door.close()))))

const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find((one) => one && !one.internal && one.family === 'IPv4')?.address

async function open(subnets: string[] | undefined, address = '127.0.0.1', port?: number): Promise<PodDoor> {
  const door = await openPodDoor({ address, ...(subnets && { subnets }) }, (socket) => socket.end('served'), port)
  doors.push(door)
  return door
}

/** What a connection reads until its end; 'refused' where nobody listens. */
function read(port: number, host = '127.0.0.1', localAddress?: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ port, host, ...(localAddress && { localAddress }) })
    socket.on('data', (chunk) => (text += String(chunk)))
    socket.on('error', () => resolve('refused'))
    socket.on('close', () => resolve(text))
  })
}

it('serves who comes from the network of the cluster', async () => {
  const { port } = await open(['127.0.0.0/8'])
  expect(await read(port)).toBe('served')
})

it('closes who comes from elsewhere before anything is said', async () => {
  const { port } = await open(['172.18.0.0/16', 'fc00:f853:ccd:e793::/64'])
  expect(await read(port)).toBe('')
  const narrow = await open(['127.0.0.9/32'])
  expect(await read(narrow.port, '127.0.0.1', '127.0.0.9')).toBe('served')
  expect(await read(narrow.port, '127.0.0.1', '127.0.0.8')).toBe('')
})

it.skipIf(ownAddress === undefined)('is not there on any other address of the machine', async () => {
  const { port } = await open(['0.0.0.0/0'])
  expect(await read(port, ownAddress)).toBe('refused')
})

it('takes the port that it is asked to take, and another where somebody has it', async () => {
  const first = await open(undefined)
  await first.close()
  const again = await open(undefined, '127.0.0.1', first.port)
  expect(again.port).toBe(first.port)
  expect((await open(undefined, '127.0.0.1', first.port)).port).not.toBe(first.port)
})

it.each(['0.0.0.0', '::', '0', '', '203.0.113.7'])('refuses the address "%s"', async (address) => {
  await expect(open(['172.18.0.0/16'], address)).rejects.toMatchObject({ code: 'DEPENDENCY_POD_ADDRESS' })
})
