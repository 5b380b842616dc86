import { execa } from 'execa'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Loop, LoopsResult } from '../../src/wire/messages.ts'
import { copyExample } from '../../test/support/example.ts'
import { openShiv, type OwnShiv } from '../../test/support/own-shiv.ts'
import { deleteCluster } from '../support/kind.ts'
import type { Row } from '../support/measure.ts'

const cluster = process.env['SHIV_BENCH_CLUSTER'] ?? 'shiv-bench'
const PATIENCE_MS = 180_000

/** Versions of a small package: a new one each time, so that no image is there before. The first half is installed in place. */
const ORDERS = ['2.0.0', '2.1.0', '2.1.1', '2.1.2', '2.1.3', '1.0.0']
const REPORTS = ['1.12.0', '1.13.0', '1.14.0', '1.15.0', '1.16.0', '1.17.0']

/** A dependency added to two examples: from the save to the first answer, or to the worker's start, installed in place and by another image. */
export async function installsInPlace(): Promise<Row[]> {
  const bench = await openShiv('installs')
  const folder = join(bench.folder, 'examples')
  try {
    await copyExample('.', folder)
    const workspace = join(folder, 'shiv.yaml')
    await writeFile(workspace, `${await readFile(workspace, 'utf8')}cluster: { name: ${cluster} }\n`)
    await execa('npm', ['ci', '--no-audit', '--no-fund'], { cwd: join(folder, 'orders') })
    await bench.shiv(['start', 'orders', 'reports', '--runtime', 'kind', '-C', 'examples'])
    return [
      await compare(bench, 'orders', ['package.json', 'package-lock.json'], ORDERS, (version) => addToOrders(folder, version)),
      await compare(bench, 'reports', ['requirements.txt'], REPORTS, (version) => addToReports(folder, version)),
    ]
  } finally {
    await bench.shiv(['stop', '--purge', '--yes', '-C', 'examples'], { reject: false })
    await bench.close()
    if (process.env['SHIV_BENCH_CLUSTER'] === undefined) await deleteCluster(cluster, join(bench.folder, 'unused.kubeconfig'))
  }
}

async function compare(
  bench: OwnShiv,
  service: string,
  files: string[],
  versions: string[],
  add: (version: string) => Promise<void>,
): Promise<Row> {
  const half = versions.length / 2
  const times = async (some: string[], action: Loop['action']): Promise<number[]> => {
    const taken: number[] = []
    for (const version of some) taken.push((await loopOf(bench, service, action, () => add(version))).durationMs)
    return taken
  }
  const installed = await times(versions.slice(0, half), 'install')
  const definition = join(bench.folder, 'examples', service, 'service.yaml')
  const byImage = `reload: { rules: [{ files: [${files.join(', ')}], do: image }] }\n`
  await loopOf(bench, service, 'plan', async () => writeFile(definition, (await readFile(definition, 'utf8')) + byImage))
  const built = await times(versions.slice(half), 'image')
  return {
    measure: `a dependency added to ${service}, kind, installed in place`,
    unit: 'ms',
    samples: installed,
    baseline: { name: 'the same by another image', samples: built },
    aim: 'faster than an image build',
    met: ({ median, baseline }) => median < baseline!,
    remark: `${half} each, the first of them with a cold tool container and cache.`,
  }
}

/** The first loop of this kind after a save that ended well. */
async function loopOf(bench: OwnShiv, service: string, action: Loop['action'], save: () => Promise<void>): Promise<Loop> {
  const all = async () => (JSON.parse(await bench.shiv(['loop', '--json', '-C', 'examples'])) as LoopsResult).loops
  const last = (await all()).at(-1)?.id ?? 0
  await save()
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const news = (await all()).filter((loop) => loop.id > last)
    const failed = news.find(({ outcome }) => outcome === 'failed')
    if (failed) throw new Error(`${service}: ${failed.error?.message}`)
    const found = news.find((loop) => loop.action === action && (loop.service === service || action === 'plan'))
    if (found) return found
    if (Date.now() > end) throw new Error(`${service}: no loop of ${action} after ${PATIENCE_MS} ms`)
    await delay(200)
  }
}

/** As npm does it: both files at once. */
async function addToOrders(folder: string, version: string): Promise<void> {
  const aside = join(folder, '..', 'aside')
  await rm(aside, { recursive: true, force: true })
  await mkdir(aside)
  const names = ['package.json', 'package-lock.json']
  for (const name of names) await writeFile(join(aside, name), await readFile(join(folder, 'orders', name)))
  const argv = ['install', '--package-lock-only', '--save-exact', '--no-audit', '--no-fund', `ms@${version}`]
  await execa('npm', argv, { cwd: aside })
  for (const name of names) await writeFile(join(folder, 'orders', name), await readFile(join(aside, name)))
}

async function addToReports(folder: string, version: string): Promise<void> {
  const path = join(folder, 'reports', 'requirements.txt')
  const others = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('six'))
  await writeFile(path, `${[...others, `six==${version}`].join('\n')}\n`)
}
