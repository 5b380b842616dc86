import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withChildren, type Begin, type Child } from '../support/children.ts'
import { interleave, type Row } from '../support/measure.ts'

const rounds = 15
const requestsPerRound = 2_000
const connections = 8

/** Processor time that a request costs in the front door while nothing reloads, against a plain keep-alive proxy in front of the same service. */
export async function proxyHop(): Promise<Row[]> {
  const home = await mkdtemp(join(tmpdir(), 'shiv-hop-'))
  try {
    return await withChildren((begin) => measureHop(begin, home))
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function measureHop(begin: Begin, home: string): Promise<Row[]> {
  const service = await begin('service')
  const door = await begin('door', service.port, home)
  const plain = await begin('plain', service.port)
  const { a, b } = await interleave(
    rounds,
    () => costOf(door),
    () => costOf(plain),
    3,
  )
  return [
    {
      measure: 'front door, processor time a request',
      unit: 'µs',
      samples: a,
      baseline: { name: 'plain keep-alive proxy', samples: b },
      aim: '≤ 1.3 × the plain proxy',
      met: ({ ratio = Infinity }) => ratio <= 1.3,
      remark: `GET with a body of 512 bytes in the answer, over ${connections} kept connections`,
    },
  ]
}

/** Microseconds of the proxy's own processor time, user and system. */
async function costOf({ port, usage }: Child): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const before = (await usage()).cpuMicroseconds
  let left = requestsPerRound
  const worker = async (): Promise<void> => {
    while (left-- > 0) await ask(port, agent)
  }
  await Promise.all(Array.from({ length: connections }, worker))
  const after = (await usage()).cpuMicroseconds
  agent.destroy()
  return (after - before) / requestsPerRound
}

function ask(port: number, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: '127.0.0.1', port, agent, headers: { host: 'localhost', accept: '*/*' } }, (response) => {
      response.resume()
      response.once('end', resolve)
      response.once('error', reject)
      if (response.statusCode !== 200) reject(new Error(`the proxy answers ${response.statusCode}`))
    })
    asked.on('error', reject)
    asked.end()
  })
}
