import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beginLoad } from '../support/load.ts'
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
    const load = beginLoad({ port: Number(new URL(services[0]!.directUrl!).port), perSecond: PER_SECOND, methods: METHODS })
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
