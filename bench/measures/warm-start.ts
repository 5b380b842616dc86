import { execa } from 'execa'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deleteCluster } from '../support/kind.ts'
import { interleave, timed, type Row } from '../support/measure.ts'
import { openShiv, tinyService, writeTree, type OwnShiv } from '../../test/support/own-shiv.ts'

const cluster = 'shiv-bench'

/** Two services of a workspace, the first one running on kind: what a start costs then. */
export async function warmKind(): Promise<Row[]> {
  const bench = await openShiv('warm')
  const workspace = join(bench.folder, 'shop')
  const cwd = { cwd: workspace }
  try {
    await writeTree(workspace, {
      'shiv.yaml': `name: bench\ncluster: { name: ${cluster} }\n`,
      ...tinyService('first'),
      ...tinyService('second'),
    })
    await bench.shiv(['start', 'first', '--runtime', 'kind'], cwd)
    return [
      ...(await noChangeKind(bench, workspace)),
      ...(await daemonKilled(bench, workspace)),
      ...(await secondService(bench, workspace)),
    ]
  } finally {
    await bench.shiv(['stop', '--purge', '--yes'], { ...cwd, reject: false })
    await bench.close()
    await deleteCluster(cluster, join(bench.folder, 'unused.kubeconfig'))
  }
}

/** A service joins a running cluster, image built, against `kubectl apply` and `rollout status` of the same objects. */
async function secondService(bench: OwnShiv, workspace: string): Promise<Row[]> {
  const cwd = { cwd: workspace }
  const start = () => bench.shiv(['start', 'second', '--runtime', 'kind'], cwd)
  const stop = () => bench.shiv(['stop', 'second', '--purge', '--yes'], cwd)
  await start()
  const kubeconfig = join(bench.folder, 'kubeconfig')
  const { stdout } = await execa('kind', ['get', 'kubeconfig', '--name', cluster])
  await writeFile(kubeconfig, stdout, { mode: 0o600 })
  const kubectl = (args: string[]) => execa('kubectl', ['--kubeconfig', kubeconfig, '-n', 'shiv-bench', ...args])
  const manifest = join(bench.folder, 'second.json')
  await writeFile(manifest, await exportObjects(kubectl))
  await stop()
  const ours = async () => {
    const elapsed = await timed(start)
    await stop()
    return elapsed
  }
  const theirs = async () => {
    const elapsed = await timed(async () => {
      await kubectl(['apply', '-f', manifest])
      await kubectl(['rollout', 'status', 'deployment/second', '--timeout=60s'])
    })
    await kubectl(['delete', '--wait', '-f', manifest])
    await kubectl(['wait', '--for=delete', 'pod', '-l', 'app.kubernetes.io/name=second', '--timeout=60s'])
    return elapsed
  }
  const { a, b } = await interleave(6, ours, theirs)
  return [
    {
      measure: 'second service into a running cluster',
      unit: 'ms',
      samples: a,
      baseline: { name: '`kubectl apply` + rollout', samples: b },
      aim: '≤ 3 s and ≤ 1.5 × baseline',
      met: ({ median, ratio }) => median <= 3000 && ratio! <= 1.5,
    },
  ]
}

/** The live objects of the second service, less what the API server filled in. */
async function exportObjects(kubectl: (args: string[]) => PromiseLike<{ stdout: string }>): Promise<string> {
  const kinds = 'serviceaccount,configmap,service,deployment,networkpolicy,poddisruptionbudget,horizontalpodautoscaler'
  const { stdout } = await kubectl(['get', kinds, '-l', 'app.kubernetes.io/name=second', '-o', 'json'])
  const list = JSON.parse(stdout) as {
    items: { kind: string; status?: unknown; spec: Record<string, unknown>; metadata: Record<string, unknown> }[]
  }
  for (const item of list.items) {
    const { name, namespace, labels } = item.metadata
    item.metadata = { name, namespace, labels }
    delete item.status
    if (item.kind !== 'Service') continue
    for (const field of ['clusterIP', 'clusterIPs']) if (item.spec[field] !== 'None') delete item.spec[field]
    for (const port of item.spec['ports'] as Record<string, unknown>[]) delete port['nodePort']
  }
  return JSON.stringify(list)
}

/** `start` of what runs already, on kind. */
async function noChangeKind(bench: OwnShiv, workspace: string): Promise<Row[]> {
  const samples = await repeat(20, () => bench.shiv(['start', 'first', '--runtime', 'kind'], { cwd: workspace }))
  return [{ measure: 'no-change `start`, kind', unit: 'ms', samples, aim: '≤ 500 ms', met: ({ median }) => median <= 500 }]
}

/** `start` of what runs already, embedded. */
export async function noChangeEmbedded(): Promise<Row[]> {
  const bench = await openShiv('no-change-embedded')
  const cwd = { cwd: join(bench.folder, 'hello') }
  try {
    await writeTree(bench.folder, tinyService('hello'))
    const start = () => bench.shiv(['start', '--runtime', 'process'], cwd)
    await start()
    const samples = await repeat(20, start)
    return [{ measure: 'no-change `start`, embedded', unit: 'ms', samples, aim: '≤ 200 ms', met: ({ median }) => median <= 200 }]
  } finally {
    await bench.shiv(['stop', '--purge', '--yes'], { ...cwd, reject: false })
    await bench.close()
  }
}

/** `kill -9` of the daemon, then `start`, the cluster running. */
async function daemonKilled(bench: OwnShiv, workspace: string): Promise<Row[]> {
  const samples: number[] = []
  for (let i = 0; i < 8; i++) {
    const { pid } = JSON.parse(await bench.shiv(['status', '--all', '--json'])).daemon as { pid: number }
    process.kill(pid, 'SIGKILL')
    samples.push(await timed(() => bench.shiv(['start', 'first', '--runtime', 'kind'], { cwd: workspace })))
  }
  return [
    {
      measure: '`start` after `kill -9` of the daemon, kind',
      unit: 'ms',
      samples,
      aim: '≤ 1000 ms',
      met: ({ median }) => median <= 1000,
    },
  ]
}

async function repeat(count: number, work: () => Promise<unknown>): Promise<number[]> {
  await work()
  const samples: number[] = []
  for (let i = 0; i < count; i++) samples.push(await timed(work))
  return samples
}
