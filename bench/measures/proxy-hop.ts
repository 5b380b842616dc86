import { build } from 'esbuild'
import { fork, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { interleave, type Row } from '../support/measure.ts'

const rounds = 15
const requestsPerRound = 2_000
const connections = 8

/** Processor time that a request costs in the front door while nothing reloads, against a plain keep-alive proxy in front of the same service. */
export async function proxyHop(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'shiv-hop-'))
  const children: ChildProcess[] = []
  try {
    const file = join(folder, 'proxy-child.mjs')
    const entry = join(import.meta.dirname, '..', '..', 'bench', 'support', 'proxy-child.ts')
    await build({ entryPoints: [entry], outfile: file, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
    const begin = async (...args: string[]): Promise<{ child: ChildProcess; port: number }> => {
      const child = fork(file, args)
      children.push(child)
      return { child, port: (await told<{ port: number }>(child)).port }
    }
    const service = await begin('service')
    const door = await begin('door', String(service.port), join(folder, 'home'))
    const plain = await begin('plain', String(service.port))
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
  } finally {
    for (const child of children) child.disconnect()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Microseconds of the proxy's own processor time, user and system. */
async function costOf({ child, port }: { child: ChildProcess; port: number }): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const before = await cpuOf(child)
  let left = requestsPerRound
  const worker = async (): Promise<void> => {
    while (left-- > 0) await ask(port, agent)
  }
  await Promise.all(Array.from({ length: connections }, worker))
  const after = await cpuOf(child)
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

async function cpuOf(child: ChildProcess): Promise<number> {
  child.send('cpu')
  return (await told<{ cpuMicroseconds: number }>(child)).cpuMicroseconds
}

function told<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`a child of the measure ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.removeListener('exit', onExit)
      resolve(message as T)
    })
  })
}
