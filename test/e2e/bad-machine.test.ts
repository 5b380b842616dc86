import { execa } from 'execa'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findOnPath, findServer } from '../../src/drivers/database/find-program.ts'
import type { StatusResult } from '../../src/wire/messages.ts'
import { acquireCluster, testClusterName, whyNoCluster } from '../support/cluster.ts'
import { until } from '../support/daemon.ts'
import { runFailing } from '../support/failing.ts'
import { openShiv, readRun, shivBin, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'

const noCluster = whyNoCluster()
if (noCluster !== undefined) console.log(`test/e2e/bad-machine: what needs a cluster is skipped: ${noCluster}`)

let own: OwnShiv
let workspace: string

beforeAll(async () => {
  own = await openShiv('bad-machine')
  workspace = join(own.folder, 'plain')
  await writeTree(own.folder, tinyService('plain'))
})

afterEach(async () => {
  await own.shiv(['stop', '--purge', '--yes'], { cwd: workspace, reject: false })
}, 60_000)

afterAll(() => own.close(), 60_000)

const fails = (words: string[], env: Record<string, string> = {}, cwd = workspace) => runFailing(own, words, { cwd, env })

describe('Docker or kind is not there', () => {
  it.skipIf(findOnPath('docker', process.env['PATH']) === undefined)('Docker does not run', async () => {
    const dead = { DOCKER_HOST: `unix://${own.folder}/nobody.sock` }
    const { exit, code, stderr, hint } = await fails(['start', '--runtime', 'kind'], dead)
    expect([exit, code]).toEqual([3, 'DOCKER_NOT_RUNNING'])
    await expect(stderr).toMatchFileSnapshot('../golden/e2e/docker-not-running.txt')
    await pasteLast(hint, dead)
  })

  it('without Docker the embedded runtime is chosen, and says why', async () => {
    const output = await own.shiv(['start'], {
      cwd: workspace,
      env: { ...own.env, PATH: await pathOf('no-docker', 'node', 'npm') },
    })
    expect(output).toContain('process (Docker is not installed.)')
    expect((await readRun(own, workspace)).runtime).toBe('process')
  })

  it.skipIf(noCluster)('kind is missing', async () => {
    const path = { PATH: await pathOf('no-kind', 'node', 'npm', 'docker') }
    const { exit, code, stderr, hint } = await fails(['start', '--runtime', 'kind'], path)
    expect([exit, code]).toEqual([3, 'KIND_MISSING'])
    expect(stderr).toContain('kind is not on PATH; it makes the local cluster.')
    expect(hint).toMatch(
      /^(brew install kind|curl -Lo kind https:\/\/kind\.sigs\.k8s\.io\S+ && sudo install kind \/usr\/local\/bin\/kind); or without it: /,
    )
    await pasteLast(hint, path)
  })
})

describe('a program is not there', () => {
  it('a database server: the exact install line', async ({ skip }) => {
    await writeTree(own.folder, tinyService('cached', 'databases: [ {redis: cache} ]\n'))
    const path = await pathOf('no-redis', 'node', 'npm')
    if (findServer('redis-server', path) ?? findServer('valkey-server', path))
      return skip('skipped: the server is where shiv looks beyond PATH, so it cannot be hidden')
    const { exit, code, stderr, hint } = await fails(
      ['start', '--runtime', 'process'],
      { PATH: path },
      join(own.folder, 'cached'),
    )
    expect([exit, code]).toEqual([3, 'DATABASE_BINARY_MISSING'])
    expect(stderr).toContain('The database cache needs valkey-server or redis-server, which this machine does not have.')
    const lines = ['sudo apt-get install -y redis-server', 'sudo dnf install -y valkey', 'brew install valkey']
    expect(lines).toContain(hint)
    if (existsSync('/usr/bin/apt-get')) {
      expect(hint).toBe(lines[0])
      const { exitCode } = await execa('apt-cache', ['show', 'redis-server'], { reject: false })
      expect(exitCode, 'the package of the hint exists').toBe(0)
    }
    await own.shiv(['stop', '--purge', '--yes'], { cwd: join(own.folder, 'cached') })
  })

  it('the language itself', async () => {
    const path = { PATH: await pathOf('no-node', 'sh') }
    const { exit, code, stderr } = await fails(['start', '--runtime', 'process'], path)
    expect([exit, code]).toEqual([3, 'PROCESS_TOOL_MISSING'])
    await expect(stderr).toMatchFileSnapshot('../golden/e2e/node-missing.txt')
  })

  it('a program that is there and may not be executed', async () => {
    await writeFile(join(workspace, 'run-me'), '#!/bin/sh\n')
    await chmod(join(workspace, 'run-me'), 0o644)
    const file = join(workspace, 'service.yaml')
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace(/^command: .*$/m, 'command: [./run-me]'))
    const { exit, code, hint } = await fails(['start', '--runtime', 'process'])
    await writeFile(file, text)
    expect([exit, code]).toEqual([3, 'PROCESS_NOT_EXECUTABLE'])
    expect(hint).toBe('chmod +x ./run-me')
    await execa('sh', ['-c', hint!], { cwd: workspace })
    expect((await stat(join(workspace, 'run-me'))).mode & 0o111).not.toBe(0)
  })
})

describe('the disk is full', () => {
  it('for shiv itself: said in plain words, and mended by making room', async ({ skip }) => {
    const home = join(own.folder, 'small')
    await mkdir(home)
    if ((await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', home], { reject: false })).exitCode !== 0)
      return skip('skipped: this user may not mount a small disk')
    try {
      const env = { SHIV_HOME: home }
      const expectFull = async () => {
        const { exit, code, stderr, hint } = await fails(['start', '--runtime', 'process'], env)
        expect([exit, code], stderr).toEqual([3, 'DISK_FULL'])
        expect(stderr).toContain('The disk is full: FOLDER/small')
        expect(stderr).not.toContain('defect')
        expect((await execa('sh', ['-c', hint!.split(': ')[1]!.replace('FOLDER', own.folder)])).stdout).toContain('100%')
      }
      await fill(join(home, 'ballast'))
      await expectFull()
      await rm(join(home, 'ballast'))
      await own.shiv(['daemon', 'stop'], { env, reject: false })
      await own.shiv(['start', '--runtime', 'process'], { cwd: workspace, env })
      await own.shiv(['stop', '--purge', '--yes'], { cwd: workspace, env })
      await fill(join(home, 'ballast'))
      await expectFull()
      await rm(join(home, 'ballast'))
      await own.shiv(['start', '--runtime', 'process'], { cwd: workspace, env })
    } finally {
      for (const words of [['stop'], ['daemon', 'stop']])
        await own.shiv(words, { cwd: workspace, env: { SHIV_HOME: home }, reject: false })
      await execa('umount', ['--lazy', home]) // a process that is ending may still hold it
    }
  }, 60_000)
})

describe.skipIf(noCluster)('on a cluster', () => {
  let kubeconfig: string
  let before: { text: string; mtimeMs: number }

  beforeAll(async () => {
    ;(await acquireCluster()).release()
    kubeconfig = join(own.folder, 'kubeconfig-of-the-user')
    const text = `apiVersion: v1
kind: Config
current-context: production
clusters: [{ name: production, cluster: { server: "https://127.0.0.1:1" } }]
users: [{ name: me, user: { token: not-yours } }]
contexts: [{ name: production, context: { cluster: production, user: me } }]
`
    await writeFile(kubeconfig, text)
    await utimes(kubeconfig, 1_000_000, 1_000_000)
    before = { text, mtimeMs: (await stat(kubeconfig)).mtimeMs }
  }, 300_000)

  const built = async (name: string, dockerfile: string): Promise<string> => {
    const files = tinyService(name, 'build: { dockerfile: Dockerfile }\n')
    files['shiv.yaml'] = `name: ${name}\ncluster: { name: ${testClusterName()} }\n`
    await writeTree(join(own.folder, `ws-${name}`), { ...files, [`${name}/Dockerfile`]: dockerfile })
    return join(own.folder, `ws-${name}`)
  }

  it('a Dockerfile that fails: the step and its last lines, not the whole log; Docker that was missing before is seen', async () => {
    const lines = 'for i in $(seq 1 200); do echo line $i; done; echo the last word >&2; exit 7'
    const cwd = await built('broken', `FROM busybox:1.36\nRUN echo fine\nRUN ${lines}\n`)
    // The daemon that began without Docker on its PATH sees what a later caller has.
    await own.shiv(['daemon', 'stop'])
    const bare = { PATH: await pathOf('bare', 'node', 'npm') }
    expect((await fails(['start', '--runtime', 'kind'], bare, cwd)).code).toBe('DOCKER_MISSING')
    const { exit, code, stderr } = await fails(['start', '--runtime', 'kind'], {}, cwd)
    expect([exit, code]).toEqual([1, 'DOCKER_BUILD_FAILED'])
    expect(stderr).toContain(
      `The image of broken cannot be built: this step failed (FOLDER/ws-broken/broken/Dockerfile:3): RUN ${lines}`,
    )
    expect(stderr).toContain('the last word')
    expect(stderr).toMatch(/exit code: 7/)
    expect(stderr).toContain('line 200')
    expect(stderr).not.toContain('line 100\n')
    expect(stderr.split('\n').length).toBeLessThan(30)
    await own.shiv(['stop', '--purge', '--yes'], { cwd })
  }, 120_000)

  it('a disk that fills up while an image is built', async () => {
    // To whom writes there, the kernel says of /dev/full what it says of a disk without room.
    const cwd = await built('filled', 'FROM busybox:1.36\nRUN dd if=/dev/zero of=/dev/full bs=1M count=4\n')
    const { exit, code, stderr, hint } = await fails(['start', '--runtime', 'kind'], {}, cwd)
    expect([exit, code], stderr).toEqual([3, 'DOCKER_DISK_FULL'])
    expect(stderr).toMatch(/No space left on device/i)
    expect(hint).toContain('docker builder prune')
    await own.shiv(['stop', '--purge', '--yes'], { cwd })
  }, 120_000)

  it('a cluster that an interrupted run left half made is completed by the next start; the kubeconfig of the user stays as it is', async () => {
    const cwd = await built('half', 'FROM node:20-slim\nCOPY . /app\nWORKDIR /app\nUSER 1000\n')
    const name = 'shiv-half'
    const env = { ...own.env, KUBECONFIG: kubeconfig }
    await writeFile(join(cwd, 'shiv.yaml'), `name: half\ncluster: { name: ${name} }\n`)
    try {
      const cli = spawn(process.execPath, [shivBin, 'start', '--runtime', 'kind'], {
        cwd,
        env: { ...process.env, ...env },
        stdio: 'ignore',
      })
      await until(() => nodesOf(name).length > 0, 60_000)
      process.kill(await daemonPid(), 'SIGKILL')
      cli.kill('SIGKILL')
      expect((await readRun(own, cwd)).state).toBe('failed')
      await own.shiv(['start', '--runtime', 'kind'], { cwd, env })
      expect(nodesOf(name)).toEqual([`${name}-control-plane`])
      const { directUrl, replicas } = (await readRun(own, cwd)).services[0]!
      expect(replicas.map(({ state }) => state)).toEqual(['ready'])
      expect((await fetch(directUrl!)).status).toBe(200)
      for (const words of [['parity'], ['doctor']]) await own.shiv(words, { cwd, env, reject: false })
      expect(await readFile(kubeconfig, 'utf8')).toBe(before.text)
      expect((await stat(kubeconfig)).mtimeMs).toBe(before.mtimeMs)
      expect(existsSync(`${kubeconfig}.lock`)).toBe(false)
    } finally {
      await execa('kind', ['delete', 'cluster', '--name', name, '--kubeconfig', join(own.folder, 'deleted')])
    }
  }, 300_000)
})

/** A PATH with these programs only. */
async function pathOf(name: string, ...programs: string[]): Promise<string> {
  const folder = join(own.folder, 'paths', name)
  await mkdir(folder, { recursive: true })
  for (const program of programs) {
    const found = findOnPath(program, `${process.env['PATH']}:${dirname(process.execPath)}`)
    if (found !== undefined && !existsSync(join(folder, program))) await symlink(found, join(folder, program))
  }
  return folder
}

/** Takes what room is left on the disk of `file`. */
async function fill(file: string): Promise<void> {
  await execa('dd', ['if=/dev/zero', `of=${file}`, 'bs=4k'], { reject: false })
}

/** Runs the last command of a hint, as pasted into the shell that had the error, with this `shiv`. */
async function pasteLast(hint: string | undefined, env: Record<string, string>): Promise<void> {
  const line = hint?.split('; or without it: ').at(-1) ?? ''
  expect(line).toBe('shiv start --runtime process')
  await own.shiv(line.split(' ').slice(1), { cwd: workspace, env: { ...own.env, ...env } })
  await own.shiv(['stop', '--purge', '--yes'], { cwd: workspace })
}

function nodesOf(cluster: string): string[] {
  const filter = `label=io.x-k8s.kind.cluster=${cluster}`
  return execFileSync('docker', ['ps', '-a', '--filter', filter, '--format', '{{.Names}}'], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
}

async function daemonPid(): Promise<number> {
  return (JSON.parse(await own.shiv(['status', '--all', '--json'])) as StatusResult).daemon.pid
}
