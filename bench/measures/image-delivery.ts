import { execa } from 'execa'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createKindDriver } from '../../src/drivers/kind/kind-driver.ts'
import { deleteCluster } from '../support/kind.ts'
import { interleave, timed, type Row } from '../support/measure.ts'
import { openShiv, tinyService, writeTree } from '../../test/support/own-shiv.ts'

const cluster = 'shiv-bench'

/** An image that differs from one on the node by one small file in its last layer, delivered by shiv and by `kind load docker-image`. */
export async function imageDelivery(): Promise<Row[]> {
  const own = await openShiv('delivery')
  const workspace = join(own.folder, 'shop')
  const built: string[] = []
  const build = async () => {
    const tag = `shiv-bench/one-file:${built.length}`
    await writeFile(join(own.folder, 'changed.txt'), `version ${built.length}`)
    await execa('docker', ['build', '-q', '-t', tag, '-f', '-', '.'], {
      cwd: own.folder,
      input: 'FROM node:20-slim\nCOPY changed.txt /\n',
    })
    built.push(tag)
    return tag
  }
  try {
    await writeTree(workspace, { 'shiv.yaml': `name: bench\ncluster: { name: ${cluster} }\n`, ...tinyService('first') })
    await own.shiv(['start', '--runtime', 'kind'], { cwd: workspace })
    const driver = createKindDriver({ home: own.home })
    const found = await driver.find({ name: cluster, kubernetes: '1.34', workers: 0 })
    if (!found) throw new Error(`the cluster ${cluster} is not found`)
    const ours = async () => {
      const tag = await build()
      return timed(() => driver.deliver(found, [tag], { signal: new AbortController().signal, progress: () => {} }))
    }
    const theirs = async () => {
      const tag = await build()
      return timed(() => execa('kind', ['load', 'docker-image', tag, '--name', cluster]))
    }
    const { a, b } = await interleave(6, ours, theirs)
    return [
      {
        measure: 'an image with one changed file reaches the node',
        unit: 'ms',
        samples: a,
        baseline: { name: '`kind load docker-image`', samples: b },
        aim: '≤ 1/10 of baseline',
        met: ({ ratio }) => ratio! <= 0.1,
      },
    ]
  } finally {
    await own.shiv(['stop', '--purge', '--yes'], { cwd: workspace, reject: false })
    await own.close()
    if (built.length > 0) await execa('docker', ['image', 'rm', '-f', ...built], { reject: false })
    await deleteCluster(cluster, join(own.folder, 'unused.kubeconfig'))
  }
}
