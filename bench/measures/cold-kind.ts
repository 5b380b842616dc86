import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createPlainCluster, deleteCluster, findKind } from '../support/kind.ts'
import { interleave, timed, type Row } from '../support/measure.ts'
import { openShiv } from '../../test/support/own-shiv.ts'

const examples = join(import.meta.dirname, '..', '..', 'examples')
const cluster = 'shiv-bench'

/** No cluster, no daemon, image of orders built: until its first answer, against `kind create cluster --wait` alone. */
export async function coldKind(): Promise<Row[]> {
  const { nodeImage } = (await findKind())!
  const bench = await openShiv('cold-kind')
  const workspace = join(bench.folder, 'shop')
  const kubeconfig = join(bench.folder, 'plain.kubeconfig')
  try {
    await cp(join(examples, 'orders'), join(workspace, 'orders'), { recursive: true })
    await writeFile(join(workspace, 'shiv.yaml'), `name: bench\ncluster: { name: ${cluster} }\n`)
    const start = () => bench.shiv(['start', join(workspace, 'orders'), '--runtime', 'kind'])
    const wipe = async () => {
      await bench.shiv(['stop', '--purge', '--yes'], { cwd: workspace })
      await bench.shiv(['daemon', 'stop'])
      await deleteCluster(cluster, join(bench.folder, 'unused.kubeconfig'))
    }
    const cold = async () => {
      const elapsed = await timed(start)
      await wipe()
      return elapsed
    }
    const plain = async () => {
      let remove = async () => {}
      const elapsed = await timed(async () => {
        remove = await createPlainCluster('shiv-bench-plain', nodeImage, kubeconfig)
      })
      await remove()
      return elapsed
    }
    await cold()
    const { a, b } = await interleave(3, cold, plain, 0)
    return [
      {
        measure: 'cold start, kind (orders and its Postgres)',
        unit: 'ms',
        samples: a,
        baseline: { name: '`kind create cluster --wait`', samples: b },
        aim: '≤ 1.25 × baseline',
        met: ({ ratio }) => ratio! <= 1.25,
        remark: `the example is ${(await readFile(join(workspace, 'orders', 'service.yaml'), 'utf8')).includes('min_replicas: 2') ? 'two replicas' : 'one replica'}; its image was built before, the cluster's images were on the host.`,
      },
    ]
  } finally {
    await bench.close()
  }
}
