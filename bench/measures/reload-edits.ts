import { execa } from 'execa'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Row } from '../support/measure.ts'
import { deleteCluster } from '../support/kind.ts'
import { openShiv, tinyService, writeTree, type OwnShiv } from '../../test/support/own-shiv.ts'
import { versionServer } from './reload-node.ts'

const cluster = 'shiv-bench'

/** Random edits on kind while pods are killed at random; then every replica is compared with the working copy by hash. */
export async function randomEdits(edits = 10_000, kills = 6): Promise<Row[]> {
  return onKind('edits', {}, async (bench, folder) => {
    const random = generator(20_26)
    const namespace = 'bench'
    for (let i = 0; i < edits; i++) {
      editOne(folder, i, random)
      if (i % 10 === 0) await delay(5)
      if (i % Math.floor(edits / kills) === Math.floor(edits / kills / 2)) await killPod(bench, namespace)
    }
    const differing = await untilVerified(bench)
    return [
      {
        measure: `edits lost in ${edits} random edits, ${kills} pods killed`,
        unit: 'edits',
        samples: [differing],
        aim: '0, hash-verified',
        met: ({ median }) => median === 0,
      },
    ]
  })
}

/** A branch switch that touches 2,000 files, two pods: until all is there, verified, and answers. */
export async function branchSwitch(files = 2_000): Promise<Row[]> {
  const tree = Object.fromEntries(
    Array.from({ length: files }, (_, i) => [`hello/src/m${i % 40}/f${i}.js`, `export const v = ${i}\n`]),
  )
  return onKind(
    'branch',
    tree,
    async (bench, folder) => {
      const git = (args: string[]) =>
        execa('git', ['-c', 'user.name=b', '-c', 'user.email=b@example.com', ...args], { cwd: folder })
      await git(['init', '-q', '-b', 'one'])
      await git(['add', '-A'])
      await git(['commit', '-qm', 'one'])
      await git(['checkout', '-qb', 'two'])
      for (let i = 0; i < files; i++) writeFileSync(join(folder, `src/m${i % 40}/f${i}.js`), `export const v = '${i} two'\n`)
      await git(['commit', '-qam', 'two'])
      await untilVerified(bench)
      const samples: number[] = []
      let restarts = 0
      for (const branch of ['one', 'two', 'one', 'two', 'one']) {
        const before = await loopCount(bench)
        const began = performance.now()
        await git(['checkout', '-q', branch])
        await untilVerified(bench, 5)
        samples.push(performance.now() - began)
        restarts = Math.max(restarts, (await loopCount(bench)) - before)
      }
      return [
        {
          measure: `branch switch, ${files} files, two pods, until verified`,
          unit: 'ms',
          samples,
          aim: '≤ 1.5 s, one restart',
          met: ({ median }) => median <= 1500 && restarts <= 1,
          remark: `at most ${restarts} restart${restarts === 1 ? '' : 's'} a switch; \`git checkout\` itself and \`shiv verify\` are in it.`,
        },
      ]
    },
    2,
  )
}

async function onKind(
  name: string,
  files: Record<string, string>,
  work: (bench: OwnShiv, folder: string) => Promise<Row[]>,
  replicas = 2,
): Promise<Row[]> {
  const bench = await openShiv(name)
  try {
    const service = tinyService('hello')
    await writeTree(bench.folder, {
      'shiv.yaml': `name: bench\ncluster: { name: ${cluster} }\n`,
      ...service,
      'hello/service.yaml': service['hello/service.yaml']!.replace(
        'min_replicas: 1, max_replicas: 1',
        `min_replicas: ${replicas}, max_replicas: ${replicas}`,
      ),
      'hello/server.js': versionServer('first'),
      ...files,
    })
    await bench.shiv(['start', 'hello', '--runtime', 'kind'])
    return await work(bench, join(bench.folder, 'hello'))
  } finally {
    await bench.shiv(['stop', '--purge', '--yes'], { cwd: bench.folder, reject: false })
    await bench.close()
    await deleteCluster(cluster, join(bench.folder, 'unused.kubeconfig'))
  }
}

/** Writes, rewrites, moves into a folder or deletes one of a few hundred files. */
function editOne(folder: string, index: number, random: () => number): void {
  const which = Math.floor(random() * 300)
  const path = join(folder, `lib/d${which % 20}/f${which}.js`)
  mkdirSync(join(path, '..'), { recursive: true })
  if (random() < 0.15) rmSync(path, { force: true })
  else writeFileSync(path, `export const edit = ${index}\n`)
}

async function killPod(bench: OwnShiv, namespace: string): Promise<void> {
  const kubectl = (args: string[]) =>
    execa(
      'docker',
      [
        'exec',
        `${cluster}-control-plane`,
        'kubectl',
        '--kubeconfig',
        '/etc/kubernetes/admin.conf',
        '-n',
        `shiv-${namespace}`,
        ...args,
      ],
      { reject: false },
    )
  const { stdout } = await kubectl(['get', 'pods', '-l', 'app.kubernetes.io/component=server', '-o', 'name'])
  const [pod] = stdout.split('\n').filter(Boolean)
  if (pod) await kubectl(['delete', pod, '--wait=false', '--grace-period=0', '--force'])
  else throw new Error(`no pod to kill in ${bench.folder}`)
}

/** Waits until every replica holds the working copy; returns how many paths differ when patience ends. */
async function untilVerified(bench: OwnShiv, pauseMs = 250, patienceMs = 120_000): Promise<number> {
  const end = Date.now() + patienceMs
  for (;;) {
    const text = await bench.shiv(['verify', '--json'], { cwd: bench.folder, reject: false })
    const result = JSON.parse(text) as { isSame: boolean; services: { replicas: { differing: unknown[] }[] }[] }
    if (result.isSame) return 0
    if (Date.now() > end) return result.services.flatMap(({ replicas }) => replicas.flatMap(({ differing }) => differing)).length
    await delay(pauseMs)
  }
}

async function loopCount(bench: OwnShiv): Promise<number> {
  const { loops } = JSON.parse(await bench.shiv(['loop', '--json', '-n', '500'], { cwd: bench.folder })) as { loops: unknown[] }
  return loops.length
}

/** A linear congruential generator (Numerical Recipes), so that a run can be repeated. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}
