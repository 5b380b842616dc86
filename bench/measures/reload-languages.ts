import { execa } from 'execa'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantile } from '../../src/bench/statistics.ts'
import { openShiv, readRun, tinyService, writeTree } from '../../test/support/own-shiv.ts'
import { timeEdit, timeEdits, untilAnswers } from '../support/edits.ts'
import { deleteCluster } from '../support/kind.ts'
import { timed, type Row } from '../support/measure.ts'
import { bareStart, repeat, versionServer } from './reload-node.ts'

const cluster = 'shiv-bench'
const BARE_COUNT = 20
const PLAIN_COUNT = 12

/** Fastify, Go and Python on one kind cluster, and last the loop that people have without a tool: build, load, roll out. */
export async function reloadLanguages(count = 50): Promise<Row[]> {
  const bench = await openShiv('languages')
  try {
    await writeTree(bench.folder, {
      'shiv.yaml': `name: bench\ncluster: { name: ${cluster} }\n`,
      ...fastifyService('fast-cold', 'reload: { spare: none }\n'),
      ...fastifyService('fast-spare', 'reload: { preload: [fastify] }\n'),
      ...goService('going'),
      ...pythonService('snake'),
      ...pythonService('snake-spare', 'reload: { preload: [http.server] }\n'),
    })
    for (const name of ['fast-cold', 'fast-spare'])
      await execa('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund'], { cwd: join(bench.folder, name) })
    await bench.shiv(['start', '--runtime', 'kind'])
    const { services } = await readRun(bench, bench.folder)
    const loops = async (name: string, file: string, text: (version: string) => string) => {
      const url = `${services.find((service) => service.name === name)!.directUrl}/`
      return timeEdits({ url, file: join(bench.folder, name, file), text }, name, count)
    }
    const cold = await loops('fast-cold', 'server.js', fastifyServer)
    const spare = await loops('fast-spare', 'server.js', fastifyServer)
    const go = await loops('going', 'version.go', goVersion)
    const python = await loops('snake', 'version.py', pythonVersion)
    const pythonSpare = await loops('snake-spare', 'version.py', pythonVersion)
    const bareFastify = await bareFastifyStarts(join(bench.folder, 'fast-cold'))
    const bareGo = await bareGoBuilds(join(bench.folder, 'going'))
    const barePython = await barePythonStarts()
    const bareNode = await loopsByHand()
    return [
      above('loop, Fastify, kind, cold restart', cold, '`node server.js` until it listens', bareFastify, 60),
      {
        measure: 'loop, Fastify, kind, warm spare, `preload: [fastify]`',
        unit: 'ms',
        samples: spare,
        aim: 'median ≤ 100 ms',
        met: ({ median }) => median <= 100,
        remark: tail(spare),
      },
      above('loop, Go, kind', go, '`go build` of the same edit', bareGo, 120),
      above('loop, Python, kind', python, '`python -c pass` in its image', barePython, 90),
      above('loop, Python, kind, `preload: [http.server]`', pythonSpare, '`python -c pass` in its image', barePython, 90),
      {
        measure: 'loop by hand, bare Node, kind: `docker build`, `kind load`, `kubectl set image`, rollout',
        unit: 'ms',
        samples: bareNode,
        aim: '–',
        met: () => true,
        remark: 'not a figure of shiv: what its loops stand against.',
      },
    ]
  } finally {
    await bench.shiv(['stop', '--purge', '--yes'], { cwd: bench.folder, reject: false })
    await bench.close()
    await deleteCluster(cluster, join(bench.folder, 'unused.kubeconfig'))
  }
}

function above(measure: string, samples: number[], name: string, baseline: number[], mostMs: number): Row {
  return {
    measure,
    unit: 'ms',
    samples,
    baseline: { name, samples: baseline },
    aim: `≤ baseline + ${mostMs} ms`,
    met: (row) => row.median <= row.baseline! + mostMs,
    remark: tail(samples),
  }
}

function tail(samples: number[]): string {
  return `p95 ${quantile(samples, 0.95).toFixed(1)} ms, largest ${Math.max(...samples).toFixed(1)} ms.`
}

function fastifyServer(version: string): string {
  return `import Fastify from 'fastify'
const app = Fastify()
app.get('/healthz', async () => 'ok')
app.get('/', async () => '${version}')
await app.listen({ port: Number(process.env.PORT), host: '0.0.0.0' })
process.on('SIGTERM', () => app.close().then(() => process.exit(0)))
`
}

function fastifyService(name: string, yaml = ''): Record<string, string> {
  const { [`${name}/service.yaml`]: service } = tinyService(name, yaml)
  return {
    [`${name}/service.yaml`]: service!,
    [`${name}/package.json`]: JSON.stringify({
      name,
      version: '1.0.0',
      private: true,
      type: 'module',
      dependencies: { fastify: '^5.6.0' },
    }),
    [`${name}/server.js`]: fastifyServer('first'),
  }
}

async function bareFastifyStarts(folder: string): Promise<number[]> {
  await execa('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder })
  return repeat(BARE_COUNT, () => bareStart(folder))
}

function goVersion(version: string): string {
  return `package main\n\nconst version = "${version}"\n`
}

function goService(name: string): Record<string, string> {
  return {
    [`${name}/service.yaml`]: `name: ${name}\nlanguage: go\nscaling: { min_replicas: 1, max_replicas: 1 }\nobservability: { logging: plain }\n`,
    [`${name}/go.mod`]: `module example.com/${name}\n\ngo 1.24\n`,
    [`${name}/version.go`]: goVersion('first'),
    [`${name}/main.go`]: `package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, version) })
	if err := http.ListenAndServe(":"+os.Getenv("PORT"), nil); err != nil {
		panic(err)
	}
}
`,
  }
}

/** Milliseconds of the preset's own build, after an edit each. */
async function bareGoBuilds(folder: string): Promise<number[]> {
  const out = await mkdtemp(join(tmpdir(), 'shiv-bench-go-'))
  const build = () =>
    execa('go', ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', join(out, 'app'), '.'], {
      cwd: folder,
      env: { CGO_ENABLED: '0', GOOS: 'linux' },
    })
  await build()
  let turn = 0
  const samples = await repeat(BARE_COUNT, async () => {
    await writeFile(join(folder, 'version.go'), goVersion(`bare-${turn++}`))
    return timed(build)
  })
  await rm(out, { recursive: true, force: true })
  return samples
}

function pythonVersion(version: string): string {
  return `VERSION = "${version}"\n`
}

function pythonService(name: string, yaml = ''): Record<string, string> {
  return {
    [`${name}/service.yaml`]: `name: ${name}\nlanguage: python\nscaling: { min_replicas: 1, max_replicas: 1 }\nobservability: { logging: plain }\n${yaml}`,
    [`${name}/version.py`]: pythonVersion('first'),
    [`${name}/main.py`]: `import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from version import VERSION


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"ok" if self.path == "/healthz" else VERSION.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`,
  }
}

/** Milliseconds from the spawn of an interpreter to its end, in the image that the service has. */
async function barePythonStarts(): Promise<number[]> {
  const script = `import json, subprocess, sys, time
def start():
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.perf_counter() - began) * 1000
print(json.dumps([start() for _ in range(${BARE_COUNT})]))`
  const { stdout } = await execa('docker', ['run', '--rm', 'python:3.11-slim', 'python', '-c', script])
  return JSON.parse(stdout) as number[]
}

/** The same edit of a bare Node server, brought into the same cluster by hand. */
async function loopsByHand(): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'shiv-bench-hand-'))
  const kubeconfig = join(folder, 'kubeconfig')
  const kubectl = (args: string[], input?: string) =>
    execa('kubectl', ['--kubeconfig', kubeconfig, ...args], input === undefined ? {} : { input })
  await execa('kind', ['export', 'kubeconfig', '--name', cluster, '--kubeconfig', kubeconfig])
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(
    join(folder, 'Dockerfile'),
    'FROM node:20-slim\nWORKDIR /app\nCOPY package.json server.js ./\nCMD ["node", "server.js"]\n',
  )
  await writeFile(join(folder, '.dockerignore'), 'kubeconfig\n')
  const file = join(folder, 'server.js')
  let turn = 0
  const bring = async () => {
    const image = `shiv-bench-hand:${turn++}`
    await execa('docker', ['build', '-q', '-t', image, '.'], { cwd: folder })
    await execa('kind', ['load', 'docker-image', image, '--name', cluster])
    return image
  }
  await writeFile(file, versionServer('first'))
  await kubectl(['apply', '-f', '-'], deploymentOf(await bring()))
  await kubectl(['rollout', 'status', 'deployment/hand', '--timeout=120s'])
  const { stdout: port } = await kubectl(['get', 'service', 'hand', '-o', 'jsonpath={.spec.ports[0].nodePort}'])
  const { stdout: host } = await kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[0].address}'])
  const subject = { url: `http://${host}:${port}/`, file, text: versionServer }
  await untilAnswers(subject)
  try {
    return await repeat(PLAIN_COUNT, () =>
      timeEdit(subject, `hand-${turn}`, async () => {
        await kubectl(['set', 'image', 'deployment/hand', `hand=${await bring()}`])
        await kubectl(['rollout', 'status', 'deployment/hand', '--timeout=120s'])
      }),
    )
  } finally {
    await kubectl(['delete', 'deployment,service', 'hand', '--wait=false'])
    await rm(folder, { recursive: true, force: true })
  }
}

function deploymentOf(image: string): string {
  const labels = { app: 'hand' }
  const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 }
  const container = {
    name: 'hand',
    image,
    imagePullPolicy: 'Never',
    env: [{ name: 'PORT', value: '8080' }],
    readinessProbe: probe,
  }
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'hand' },
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'hand' },
        spec: { type: 'NodePort', selector: labels, ports: [{ port: 8080 }] },
      },
    ],
  })
}
