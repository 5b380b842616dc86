import { expect, it } from 'vitest'
import type { Engine } from '../../../src/drivers/docker/engine.ts'
import type { NodeContainer } from '../../../src/drivers/kind/containers.ts'
import { findPodPlace } from '../../../src/drivers/kind/pod-place.ts'

const node = { id: 'n1', name: 'shiv-control-plane' } as NodeContainer

/** An engine that knows one network, and refuses to run anything in a container. */
function engineWith(configs: { Subnet?: string; Gateway?: string }[]): Engine {
  const answers: Record<string, unknown> = {
    'GET /containers/n1/json': { NetworkSettings: { Networks: { kind: {} } } },
    'GET /networks/kind': { IPAM: { Config: configs } },
  }
  return {
    address: {} as Engine['address'],
    stream: async () => Promise.reject(new Error('nothing runs here')),
    async json<T>(method: string, path: string) {
      const answer = answers[`${method} ${path}`]
      if (answer === undefined) throw new Error(`nobody asked for ${path}`)
      return answer as T
    },
  }
}

it('is the gateway of the cluster’s network where that is an address of this machine, for that network alone', async () => {
  const engine = engineWith([
    { Subnet: 'fc00:f853:ccd:e793::/64', Gateway: 'fc00:f853:ccd:e793::1' },
    { Subnet: '127.0.0.0/16', Gateway: '127.0.0.1' },
  ])
  expect(await findPodPlace(engine, [node])).toEqual({
    address: '127.0.0.1',
    subnets: ['fc00:f853:ccd:e793::/64', '127.0.0.0/16'],
  })
})

it('is the first address of a subnet that names no gateway', async () => {
  expect(await findPodPlace(engineWith([{ Subnet: '127.0.0.0/8' }]), [node])).toMatchObject({ address: '127.0.0.1' })
})

it('is not taken from a gateway that is somewhere else: there the nodes are asked how they call this machine', async () => {
  await expect(findPodPlace(engineWith([{ Subnet: '203.0.113.0/24', Gateway: '203.0.113.1' }]), [node])).rejects.toThrow(
    '/containers/n1/exec',
  )
})

it('is nowhere without a cluster', async () => {
  await expect(findPodPlace(engineWith([]), [])).rejects.toMatchObject({ code: 'DEPENDENCY_POD_ADDRESS' })
})
