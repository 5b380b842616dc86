import { BlockList, createServer, isIPv6, type Socket } from 'node:net'
import { ShivError } from '../../core/errors.ts'
import type { PodDoor, PodPlace } from '../../engine/dependency-ports.ts'

/**
 * Listens on an address of this machine that pods of a local cluster reach, at `port` if it is free there. Whoever comes from elsewhere than
 * the cluster's network is closed before a byte is read; without subnets, where pods come by this machine's loopback, nobody can be told
 * apart. Throws DEPENDENCY_POD_ADDRESS for an address that is none of this machine's, or that would be open to every network.
 */
export async function openPodDoor(place: PodPlace, onSocket: (socket: Socket) => void, port = 0): Promise<PodDoor> {
  const { address, subnets } = place
  if (isEverywhere(address)) throw noAddress(address, 'it would be open to every network of this machine')
  const allowed = subnets && listOf(subnets)
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (allowed && !isAllowed(allowed, socket)) return void socket.destroy()
    onSocket(socket)
  })
  const listen = (wanted: number): Promise<number> =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: address, port: wanted, exclusive: true }, () => {
        server.removeListener('error', reject)
        resolve((server.address() as { port: number }).port)
      })
    })
  const bound = await listen(port).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE' && port !== 0) return listen(0)
    throw noAddress(address, error.message)
  })
  return {
    port: bound,
    // Connections that were handed on are the business of who took them.
    close: () => new Promise((resolve) => void (server.close(() => resolve()), server.listening || resolve())),
  }
}

function listOf(subnets: string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = '', bits = ''] = subnet.split('/')
    list.addSubnet(network, Number(bits), isIPv6(network) ? 'ipv6' : 'ipv4')
  }
  return list
}

function isAllowed(list: BlockList, { remoteAddress = '' }: Socket): boolean {
  // A listener on IPv6 names its IPv4 peers so.
  const address = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '')
  return address !== '' && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function isEverywhere(address: string): boolean {
  return address === '' || /^[0.]+$/.test(address) || /^[0:]+$/.test(address)
}

function noAddress(address: string, reason: string): ShivError {
  return new ShivError(`Pods cannot be let in at ${address || 'no address'}: ${reason}.`, {
    code: 'DEPENDENCY_POD_ADDRESS',
    exit: 3,
    hint: 'docker network inspect kind shows the network of the cluster; shiv start --runtime process goes without it',
  })
}
