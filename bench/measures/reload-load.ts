import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Row } from '../support/measure.ts'
import { deleteCluster } from '../support/kind.ts'
import { openShiv, readRun, tinyService, writeTree } from '../../test/support/own-shiv.ts'
import { versionServer } from './reload-node.ts'

const cluster = 'shiv-bench'
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const
const PER_SECOND = 200

/** Requests that did not get the service's own answer while it is edited: every method, half over kept connections, half over new ones. */
export async function requestsLost(runtime: 'process' | 'kind', edits = 200): Promise<Row[]> {
  const bench = await openShiv(`lost-${runtime}`)
  const folder = join(bench.folder, 'hello')
  try {
    await writeTree(bench.folder, {
      'shiv.yaml': `name: bench\ncluster: { name: ${cluster} }\n`,
      ...tinyService('hello'),
      'hello/server.js': versionServer('first'),
    })
    await bench.shiv(['start', 'hello', '--runtime', runtime])
    const { services } = await readRun(bench, bench.folder)
    const load = beginLoad(Number(new URL(services[0]!.directUrl!).port))
    for (let i = 0; i < edits; i++) {
      writeFileSync(join(folder, 'server.js'), versionServer(`edit-${i}`))
      await delay(250)
    }
    const { sent, lost } = await load.end()
    return [
      {
        measure: `requests lost in ${edits} edits at ${PER_SECOND}/s, ${runtime === 'kind' ? 'kind' : 'embedded'}`,
        unit: 'requests',
        samples: [lost.length],
        aim: '0',
        met: ({ median }) => median === 0,
        remark: `${sent} requests were sent${lost.length > 0 ? `; of those lost: ${[...new Set(lost)].slice(0, 3).join(', ')}` : ''}.`,
      },
    ]
  } finally {
    await bench.shiv(['stop', '--purge', '--yes'], { cwd: bench.folder, reject: false })
    await bench.close()
    if (runtime === 'kind') await deleteCluster(cluster, join(bench.folder, 'unused.kubeconfig'))
  }
}

function beginLoad(port: number): { end(): Promise<{ sent: number; lost: string[] }> } {
  const kept = new Agent({ keepAlive: true, maxSockets: 32 })
  const lost: string[] = []
  const inFlight = new Set<Promise<void>>()
  let sent = 0
  let isEnding = false
  const began = performance.now()
  const note = async (method: string, answer: Promise<string | undefined>): Promise<void> => {
    const trouble = await answer
    if (trouble !== undefined) lost.push(`${method}: ${trouble}`)
  }
  const send = (): void => {
    const method = METHODS[sent % METHODS.length]!
    const one = note(method, ask(port, method, sent % 2 === 0 ? kept : undefined))
    sent += 1
    inFlight.add(one)
    void one.then(() => inFlight.delete(one))
  }
  // What the timer is late by is sent at once: the rate is kept.
  const timer = setInterval(() => {
    while (!isEnding && sent < ((performance.now() - began) / 1000) * PER_SECOND) send()
  }, 1000 / PER_SECOND)
  return {
    async end() {
      isEnding = true
      clearInterval(timer)
      await Promise.all(inFlight)
      kept.destroy()
      return { sent, lost }
    },
  }
}

/** Undefined when the service itself answered. */
function ask(port: number, method: string, agent: Agent | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asking = request(
      { host: '127.0.0.1', port, method, path: '/', agent: agent ?? false, headers: { host: `localhost:${port}` } },
      (answer) => {
        answer.resume()
        answer.on('end', () => resolve(answer.statusCode === 200 ? undefined : `status ${answer.statusCode}`))
        answer.on('error', ({ message }) => resolve(message))
      },
    )
    asking.on('error', ({ message }) => resolve(message))
    asking.end(method === 'POST' || method === 'PUT' || method === 'PATCH' ? 'a body' : undefined)
  })
}
