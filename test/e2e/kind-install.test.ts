import { execa } from 'execa'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findKind } from '../../bench/support/kind.ts'
import type { LoopsResult, VerifyResult } from '../../src/wire/messages.ts'
import { openShiv, readRun, writeTree, type OwnShiv } from '../support/own-shiv.ts'

const kind = await findKind()
if (!kind) console.log('test/e2e/kind-install: skipped, Docker, kind or a node image is missing')

const cluster = 'shiv-e2e-install'
let own: OwnShiv
let kubeconfig: string

const NODE = `const { createServer } = require('node:http')
const versionOf = (name) => { try { return require(name + '/package.json').version } catch { return 'none' } }
const answer = JSON.stringify({ ms: versionOf('ms'), other: versionOf('is-number') })
createServer((_, response) => response.end(answer)).listen(process.env.PORT)
process.on('SIGTERM', () => process.exit(0))
`
const PYTHON = `import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer
def found(name):
    try:
        return __import__(name).__name__
    except ImportError:
        return "none"
import six
answer = json.dumps({"six": six.__version__, "other": found("idna")}).encode()
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *words): pass
HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`
const GO = (used: string) => `package main
import ("net/http"; "os"${used === '' ? '' : '; "github.com/google/uuid"'})
func main() {
  http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(\`{"id":"\`+${used === '' ? '"none"' : used}+\`"}\`)) }))
}
`
const MODULE = 'module example.com/calc\n\ngo 1.24\n'

const service = (name: string, language: string, command: string) =>
  `name: ${name}\nlanguage: ${language}\ncommand: ${command}\nscaling: { min_replicas: 2, max_replicas: 2 }\nobservability: { logging: plain }\n`

/** Dependencies of a service of each language: \`other\` is one that comes and goes. */
const languages = [
  {
    name: 'web',
    before: { ms: '2.1.2', other: 'none' },
    after: { ms: '2.1.3', other: '7.0.0' },
    without: { ms: '2.1.3', other: 'none' },
    save: (with_: 'before' | 'after' | 'without') =>
      saveNode({
        ms: with_ === 'before' ? '2.1.2' : '2.1.3',
        ...(with_ === 'after' && { 'is-number': '7.0.0' }),
      }),
    spoil: () =>
      writeFile(join(own.folder, 'web', 'package.json'), packageJson({ ms: '2.1.3', 'shiv-has-no-such-package': '1.0.0' })),
    complaint: /shiv-has-no-such-package/,
    file: 'package.json',
  },
  {
    name: 'api',
    before: { six: '1.16.0', other: 'none' },
    after: { six: '1.17.0', other: 'idna' },
    without: { six: '1.17.0', other: 'none' },
    save: (with_: 'before' | 'after' | 'without') =>
      savePython(with_ === 'before' ? ['six==1.16.0'] : with_ === 'after' ? ['six==1.17.0', 'idna==3.7'] : ['six==1.17.0']),
    spoil: () => savePython(['six==1.17.0', 'shiv-has-no-such-package==1.0.0']),
    complaint: /shiv-has-no-such-package/,
    file: 'requirements.txt',
  },
]

const packageJson = (dependencies: Record<string, string>) =>
  JSON.stringify({ name: 'web', version: '1.0.0', private: true, dependencies })

/** As npm does it: both files, one after the other. */
async function saveNode(dependencies: Record<string, string>): Promise<void> {
  const aside = join(own.folder, 'aside')
  await rm(aside, { recursive: true, force: true })
  await mkdir(aside)
  await writeFile(join(aside, 'package.json'), packageJson(dependencies))
  await execa('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund'], { cwd: aside })
  for (const file of ['package-lock.json', 'package.json'])
    await writeFile(join(own.folder, 'web', file), await readFile(join(aside, file)))
}

async function savePython(lines: string[]): Promise<void> {
  await writeFile(join(own.folder, 'api', 'requirements.txt'), `${lines.join('\n')}\n`)
}

const kubectl = async (args: string[]) =>
  (await execa('kubectl', ['--kubeconfig', kubeconfig, '-n', 'shiv-installs', ...args])).stdout

async function pods(name: string): Promise<string[]> {
  const selector = `app.kubernetes.io/name=${name}`
  const text = await kubectl(['get', 'pods', '-l', selector, '--field-selector=status.phase=Running', '-o', 'json'])
  const { items } = JSON.parse(text) as { items: { metadata: { name: string; deletionTimestamp?: string } }[] }
  return items.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name)
}

/** What each replica says of its packages. */
async function answers(name: string): Promise<unknown[]> {
  const port = { web: 3000, api: 8000, calc: 8080 }[name]
  const asked = (await pods(name)).map(async (pod) => {
    const url = `http://127.0.0.1:${port}/healthz`
    return JSON.parse(await kubectl(['exec', pod, '-c', name, '--', '/shiv/busybox', 'wget', '-q', '-O', '-', url])) as unknown
  })
  return Promise.all(asked)
}

const loops = async (name: string) => {
  const { loops } = JSON.parse(await own.shiv(['loop', '--json'])) as LoopsResult
  return loops.filter((loop) => loop.service === name)
}
const verified = async () => JSON.parse(await own.shiv(['verify', '--json'])) as VerifyResult
const isStale = async (name: string) => {
  const { services } = await readRun(own, own.folder)
  return services.find((service) => service.name === name)?.reload?.isImageStale === true
}

describe.skipIf(!kind)('dependencies that are installed in place, on a real cluster', () => {
  beforeAll(async () => {
    own = await openShiv('install')
    await writeTree(own.folder, {
      'shiv.yaml': `name: installs\ncluster: { name: ${cluster} }\n`,
      'web/service.yaml': service('web', 'node', '[node, server.js]'),
      'web/server.js': NODE,
      'api/service.yaml': service('api', 'python', '[python, main.py]'),
      'api/main.py': PYTHON,
      'calc/service.yaml': service('calc', 'go', '[app]'),
      'calc/go.mod': MODULE,
      'calc/main.go': GO(''),
    })
    for (const { save } of languages) await save('before')
    await own.shiv(['start', '--runtime', 'kind'])
    kubeconfig = join(own.folder, 'kubeconfig')
    await writeFile(kubeconfig, (await execa('kind', ['get', 'kubeconfig', '--name', cluster])).stdout, { mode: 0o600 })
  }, 600_000)

  afterAll(async () => {
    await own.shiv(['stop', '--purge', '--yes'], { reject: false })
    await own.close()
    if (process.env['SHIV_TEST_KEEP_CLUSTER'] === undefined)
      await execa('kind', ['delete', 'cluster', '--name', cluster, '--kubeconfig', kubeconfig])
  }, 180_000)

  describe.each(languages)('of $name', ({ name, before, after, without, save, spoil, complaint, file }) => {
    const served = async (expected: unknown) =>
      expect
        .poll(() => answers(name).catch((error: unknown) => String(error)), { timeout: 120_000, interval: 500 })
        .toEqual([expected, expected])

    it('come into all replicas with what was saved, and the image is stale', async () => {
      expect(await answers(name)).toEqual([before, before])
      expect(await isStale(name)).toBe(false)
      await save('after')
      await served(after)
      // npm's two files may have been a loop each.
      await expect.poll(async () => (await loops(name)).length, { timeout: 30_000 }).toBeGreaterThan(0)
      const loop = (await loops(name)).at(-1)
      expect(loop).toMatchObject({ action: 'install', outcome: 'served', replicas: 2 })
      expect(loop!.spans.map((span) => span.name)).toContain('installed')
      expect(loop!.remarks?.join()).toMatch(/stale/)
      expect(await isStale(name)).toBe(true)
      expect(await own.shiv(['status'])).toMatch(new RegExp(`${name}.*image is stale`))
      expect(await verified()).toMatchObject({ isSame: true })
      console.log(name, JSON.stringify(loop!.spans), loop!.durationMs)
    }, 240_000)

    it('are in a pod that takes the place of another', async () => {
      const [first] = await pods(name)
      await kubectl(['delete', 'pod', first!, '--wait=true'])
      await served(after)
      expect(await pods(name)).not.toContain(first)
      await expect.poll(verified, { timeout: 60_000 }).toMatchObject({ isSame: true })
    }, 240_000)

    it('hold with the next daemon', async () => {
      await own.shiv(['daemon', 'stop'])
      expect(await isStale(name)).toBe(true)
      await expect.poll(verified, { timeout: 60_000 }).toMatchObject({ isSame: true })
    }, 120_000)

    it('that are none leave what runs, with the installer’s own lines', async () => {
      await spoil()
      await expect.poll(async () => (await loops(name)).at(-1)?.outcome, { timeout: 120_000, interval: 500 }).toBe('failed')
      const { error } = (await loops(name)).at(-1)!
      expect(error).toMatchObject({ code: 'RELOAD_INSTALL_FAILED' })
      expect(error!.evidence!.join('\n')).toMatch(complaint)
      expect(await answers(name)).toEqual([after, after])
    }, 240_000)

    it('are gone when they are taken out, and nothing of them is left', async () => {
      await save('without')
      await served(without)
      expect(await verified()).toMatchObject({ isSame: true })
      await expect
        .poll(async () => (await loops(name)).at(-1), { timeout: 30_000 })
        .toMatchObject({ action: 'install', outcome: 'served' })
      expect((await loops(name)).at(-1)!.files).toContain(file)
    }, 240_000)
  })

  it('of Go are built in: another module in go.mod is a build, like any other file', async () => {
    expect(await answers('calc')).toEqual([{ id: 'none' }, { id: 'none' }])
    const folder = join(own.folder, 'calc')
    const aside = join(own.folder, 'aside-go')
    await writeTree(aside, { 'go.mod': MODULE, 'main.go': GO('uuid.Nil.String()') })
    await execa('go', ['get', 'github.com/google/uuid@v1.6.0'], { cwd: aside })
    for (const file of ['go.sum', 'go.mod', 'main.go']) await writeFile(join(folder, file), await readFile(join(aside, file)))
    const id = '00000000-0000-0000-0000-000000000000'
    await expect.poll(() => answers('calc').catch(String), { timeout: 120_000, interval: 500 }).toEqual([{ id }, { id }])
    expect((await loops('calc')).at(-1)).toMatchObject({ action: 'build', outcome: 'served' })
    expect(await isStale('calc')).toBe(false)
  }, 240_000)

  it('are in the image that the next start builds', async () => {
    await own.shiv(['start', '--runtime', 'kind'])
    for (const { name, without } of languages) {
      expect(await isStale(name)).toBe(false)
      await expect.poll(() => answers(name), { timeout: 60_000, interval: 500 }).toEqual([without, without])
    }
    expect(await verified()).toMatchObject({ isSame: true })
  }, 300_000)

  it('leave no container behind when the run ends', async () => {
    const running = async () => {
      const filter = `label=dev.shiv.build-container=${own.folder}`
      return (await execa('docker', ['ps', '--quiet', '--filter', filter])).stdout.split('\n').filter(Boolean)
    }
    expect((await running()).length).toBeGreaterThanOrEqual(2)
    await own.shiv(['stop', '--purge', '--yes'])
    expect(await running()).toEqual([])
  }, 120_000)
})
