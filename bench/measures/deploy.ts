import { execa } from 'execa'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plan } from '../../src/wire/messages.ts'
import { acquireCluster, deleteTestCluster } from '../../test/support/cluster.ts'
import { openShiv, tinyService, writeTree } from '../../test/support/own-shiv.ts'
import { startRegistry } from '../../test/support/staging/registry.ts'
import { interleave, timed, type Row } from '../support/measure.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 10)
const [namespace, byHand] = ['bench-staging', 'bench-by-hand']

/** A bare Node service on a local cluster and a local registry: nothing changed, and one file changed, against docker and kubectl with the same objects and Dockerfile. */
export async function deployMeasures(): Promise<Row[]> {
  const bench = await openShiv('deploy')
  const cluster = await acquireCluster()
  const registry = await startRegistry('bench')
  const workspace = join(bench.folder, 'shop')
  const cwd = { cwd: workspace }
  const kubectl = ['kubectl', '--kubeconfig', cluster.cluster.kubeconfig, '--context', cluster.cluster.context]
  const run = ([file = '', ...argv]: string[], input?: string) =>
    execa(file, argv, { ...cwd, ...(input !== undefined && { input }) })
  try {
    registry.teach(cluster.spec.name)
    Object.assign(bench.env, { KUBECONFIG: cluster.cluster.kubeconfig })
    await writeTree(workspace, {
      'shiv.yaml': `name: bench\nenvironments:\n  staging: { context: ${cluster.cluster.context}, namespace: ${namespace}, registry: '${registry.host}/bench' }\n`,
      ...tinyService('orders'),
    })
    const deploy = () => bench.shiv(['deploy', 'orders', '--env', 'staging'], cwd)
    await deploy()
    const program = await readFile(join(workspace, 'orders', 'server.js'), 'utf8')
    let edits = 0
    const edit = () => writeFile(join(workspace, 'orders', 'server.js'), `// ${(edits += 1)} of ${process.pid}\n${program}`)

    const image = await startByHand(bench.shiv, workspace, { host: registry.host, run, kubectl })
    const ours = async () => {
      await edit()
      return timed(deploy)
    }
    const theirs = async () => {
      await edit()
      const tag = `${image}:${edits}`
      const words = [
        `docker build --quiet --tag ${tag} --file Dockerfile.by-hand orders`,
        `docker push --quiet ${tag}`,
        `${kubectl.join(' ')} --namespace ${byHand} set image deployment/orders orders=${tag}`,
        `${kubectl.join(' ')} --namespace ${byHand} rollout status deployment/orders --timeout=120s`,
      ]
      return timed(() => run(['sh', '-c', words.join(' && ')]))
    }
    const changed = await interleave(rounds, ours, theirs)
    await deploy()
    const unchanged: number[] = []
    for (let round = 0; round < 2 * rounds; round += 1) unchanged.push(await timed(deploy))
    const history = await bench.shiv(['deploy', 'orders', '--env', 'staging', '--history', '--json'], cwd)
    return [
      { measure: 'no-change `deploy`', unit: 'ms', samples: unchanged, aim: '≤ 1 s', met: ({ median }) => median <= 1_000 },
      {
        measure: '`deploy` of one changed file, to healthy',
        unit: 'ms',
        samples: changed.a,
        baseline: { name: '`docker build && docker push && kubectl set image && kubectl rollout status`', samples: changed.b },
        aim: '≤ 0.6 × baseline',
        met: ({ ratio = 1 }) => ratio <= 0.6,
        remark: spansOf(history),
      },
    ]
  } finally {
    await run([...kubectl, 'delete', 'namespace', namespace, byHand, '--ignore-not-found', '--wait=false'])
    registry.remove()
    await bench.close()
    cluster.release()
    if (process.env['SHIV_TEST_KEEP_CLUSTER'] === undefined) await deleteTestCluster()
  }
}

/** The same objects, in a namespace of their own, with an image that docker built from the same Dockerfile. */
async function startByHand(
  shiv: (words: string[], options: { cwd: string }) => Promise<string>,
  workspace: string,
  { host, run, kubectl }: { host: string; run: (words: string[], input?: string) => Promise<unknown>; kubectl: string[] },
): Promise<string> {
  const plan = JSON.parse(await shiv(['plan', 'orders', '--env', 'staging', '--json'], { cwd: workspace })) as Plan
  const source = plan.images[0]!.source
  if (source.kind !== 'build' || !('text' in source.dockerfile)) throw new Error('the Node preset has a Dockerfile')
  await writeFile(join(workspace, 'Dockerfile.by-hand'), source.dockerfile.text)
  const image = `${host}/by-hand/orders`
  await run(['docker', 'build', '--quiet', '--tag', `${image}:0`, '--file', 'Dockerfile.by-hand', 'orders'])
  await run(['docker', 'push', '--quiet', `${image}:0`])
  const manifests = plan.objects.map((object) =>
    JSON.stringify(object).replaceAll(namespace, byHand).replaceAll('shiv-image:orders', `${image}:0`),
  )
  await run([...kubectl, 'apply', '-f', '-'], manifests.join('\n---\n'))
  await run([...kubectl, '--namespace', byHand, 'rollout', 'status', 'deployment/orders', '--timeout=120s'])
  return image
}

/** Where the time of the deploys went: the median of each span. */
function spansOf(history: string): string {
  const { releases } = JSON.parse(history) as { releases: { spans: { name: string; durationMs: number }[] }[] }
  const byName = new Map<string, number[]>()
  for (const { name, durationMs } of releases.slice(0, rounds).flatMap(({ spans }) => spans)) {
    byName.set(name, [...(byName.get(name) ?? []), durationMs])
  }
  const middle = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
  return `medians of its spans: ${[...byName].map(([name, values]) => `${name} ${Math.round(middle(values))} ms`).join(', ')}.`
}
