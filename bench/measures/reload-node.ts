import { execa, type ResultPromise } from 'execa'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { timeEdits, untilAnswers, type Subject } from '../support/edits.ts'
import { quantile } from '../../src/bench/statistics.ts'
import type { Row } from '../support/measure.ts'
import { openShiv, readRun, tinyService, writeTree } from '../../test/support/own-shiv.ts'
import { freePort } from '../../test/support/free-port.ts'
import { deleteCluster } from '../support/kind.ts'

const cluster = 'shiv-bench'

/** A server that answers its version, in one file and without packages. */
export function versionServer(version: string): string {
  return `import { createServer } from 'node:http'
const server = createServer((request, response) => response.end(request.url === '/healthz' ? 'ok' : '${version}')).listen(process.env.PORT)
process.on('SIGTERM', () => server.close(() => process.exit(0)).closeIdleConnections())
`
}

/** Save to first answer of the new code, bare Node as plain processes, against tools that watch and restart, on the same file. */
export async function reloadEmbedded(count = 50): Promise<Row[]> {
  const own = await withShiv('process', count, '')
  const cold = await withShiv('process', count, 'reload: { spare: none }\n')
  const starts = await bareStarts()
  const nodemon = await withTool('nodemon', ['--quiet', 'server.js'], count)
  const nodeWatch = await withTool('node', ['--watch', 'server.js'], count)
  const tsx = await withTool('tsx', ['watch', '--clear-screen=false', 'server.js'], count)
  const against = (name: string, samples: number[], most: number, aim: string): Row => ({
    measure: 'loop, bare Node, embedded',
    unit: 'ms',
    samples: own,
    baseline: { name, samples },
    aim,
    met: ({ ratio }) => ratio! <= most,
  })
  return [
    {
      measure: 'loop, bare Node, embedded',
      unit: 'ms',
      samples: own,
      aim: 'median ≤ 45 ms',
      met: ({ median }) => median <= 45,
      remark: tail(own),
    },
    against('`nodemon`', nodemon, 1 / 3, '≤ 1/3 of baseline'),
    against('`node --watch`', nodeWatch, 1 / 6, '≤ 1/6 of baseline'),
    against('`tsx watch`', tsx, Infinity, '–'),
    {
      measure: 'loop, bare Node, embedded, `spare: none`',
      unit: 'ms',
      samples: cold,
      baseline: { name: '`node server.js` until it listens', samples: starts },
      aim: '–',
      met: () => true,
      remark: `${tail(cold)} What is above 1 is what shiv adds to Node's own start.`,
    },
  ]
}

async function bareStarts(): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'shiv-bench-bare-'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder, 'server.js'), versionServer('bare'))
  const samples = await repeat(20, () => bareStart(folder))
  await rm(folder, { recursive: true, force: true })
  return samples
}

/** Milliseconds from spawning a folder's server.js until it takes a connection. */
export async function bareStart(folder: string): Promise<number> {
  const port = await freePort()
  const began = performance.now()
  const child = execa(process.execPath, ['server.js'], {
    cwd: folder,
    env: { PORT: String(port) },
    reject: false,
    stdio: 'ignore',
  })
  while (!(await listens(port))) await new Promise((resolve) => setTimeout(resolve, 1))
  const elapsed = performance.now() - began
  child.kill('SIGKILL')
  await child
  return elapsed
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

export async function repeat(count: number, work: () => Promise<number>): Promise<number[]> {
  const samples: number[] = []
  for (let i = 0; i < count; i++) samples.push(await work())
  return samples
}

/** The same on kind, through the front door. */
export async function reloadKind(count = 50): Promise<Row[]> {
  const cold = await withShiv('kind', count, 'reload: { spare: none }\n')
  const spare = await withShiv('kind', count, '')
  return [
    {
      measure: 'loop, bare Node, kind, cold restart',
      unit: 'ms',
      samples: cold,
      aim: 'median ≤ 55 ms, p95 ≤ 110 ms',
      met: ({ median }) => median <= 55 && quantile(cold, 0.95) <= 110,
      remark: tail(cold),
    },
    {
      measure: 'loop, bare Node, kind, warm spare',
      unit: 'ms',
      samples: spare,
      aim: 'median ≤ 35 ms',
      met: ({ median }) => median <= 35,
      remark: tail(spare),
    },
  ]
}

function tail(samples: number[]): string {
  return `p95 ${quantile(samples, 0.95).toFixed(1)} ms, largest ${Math.max(...samples).toFixed(1)} ms.`
}

async function withShiv(runtime: 'process' | 'kind', count: number, yaml: string): Promise<number[]> {
  const bench = await openShiv(`reload-${runtime}`)
  const folder = join(bench.folder, 'hello')
  try {
    await writeTree(bench.folder, {
      'shiv.yaml': `name: bench\ncluster: { name: ${cluster} }\n`,
      ...tinyService('hello', yaml),
      'hello/server.js': versionServer('first'),
    })
    await bench.shiv(['start', 'hello', '--runtime', runtime])
    const run = await readRun(bench, bench.folder)
    return await timeEdits(subject(`${run.services[0]!.directUrl}/`, folder), 'edit', count)
  } finally {
    await bench.shiv(['stop', '--purge', '--yes'], { cwd: bench.folder, reject: false })
    await bench.close()
    if (runtime === 'kind') await deleteCluster(cluster, join(bench.folder, 'unused.kubeconfig'))
  }
}

async function withTool(tool: string, args: string[], count: number): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'shiv-bench-tool-'))
  const port = await freePort()
  let child: ResultPromise | undefined
  try {
    await writeFile(join(folder, 'package.json'), '{"type":"module","private":true}')
    await writeFile(join(folder, 'server.js'), versionServer('first'))
    if (tool !== 'node') await execa('npm', ['install', '--no-audit', '--no-fund', tool], { cwd: folder })
    const file = tool === 'node' ? process.execPath : join(folder, 'node_modules', '.bin', tool)
    child = execa(file, args, {
      cwd: folder,
      env: { PORT: String(port) },
      reject: false,
      stdin: 'ignore',
      cleanup: true,
      detached: true,
    })
    const place = subject(`http://127.0.0.1:${port}/`, folder)
    await untilAnswers(place)
    return await timeEdits(place, 'edit', count)
  } finally {
    if (child?.pid) process.kill(-child.pid, 'SIGKILL')
    await child
    await rm(folder, { recursive: true, force: true })
  }
}

function subject(url: string, folder: string): Subject {
  return { url, file: join(folder, 'server.js'), text: versionServer }
}
