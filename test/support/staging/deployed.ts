import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Release } from '../../../src/wire/messages.ts'
import type { TestCluster } from '../cluster.ts'
import { execa } from 'execa'
import { type OwnShiv, openShiv, shivBin, writeTree } from '../own-shiv.ts'
import type { TestRegistry } from './registry.ts'

/** A workspace with one service that deploys to namespaces of the test's cluster, and a shiv of its own. */
export interface Deployment {
  own: OwnShiv
  workspace: string
  /** Runs `shiv WORDS` in the workspace to its end. */
  shiv(...words: string[]): Promise<Answer>
  deploy(...words: string[]): Promise<Answer>
  history(env?: string): Promise<Release[]>
  kubectl(...words: string[]): string
  /** Commits another version, which the service answers with, and other files of it. */
  edit(version: string, files?: Record<string, string>): Promise<void>
  /** What the service answers, asked in its own pod. */
  answer(namespace?: string): string
  close(): Promise<void>
}

export interface Answer {
  code: number
  out: string
  err: string
}

/** A service as small as one can be: busybox's httpd, whose health is a script. */
const FILES = {
  Dockerfile: 'FROM busybox:1.36-musl\nCOPY . /app\nUSER 10001\nCMD ["/bin/sh", "/app/run.sh"]\n',
  version: 'one',
  // No run finds what another built.
  run: randomUUID(),
  'run.sh': `echo "{\\"level\\":\\"info\\",\\"msg\\":\\"up\\",\\"version\\":\\"$(cat /app/version)\\"}"\nexec httpd -f -p "$PORT" -h /app\n`,
  'health.sh': 'STATUS=200\n',
  'cgi-bin/healthz': `#!/bin/sh\n. /app/health.sh\nprintf 'Status: %s\\r\\nContent-Type: text/plain\\r\\n\\r\\n' "$STATUS"\ncat /app/version\n`,
}

/** Namespaces are `NAME-staging` and `NAME-production`. */
export async function openDeployment(
  name: string,
  cluster: TestCluster,
  registry: TestRegistry,
  service = '',
): Promise<Deployment> {
  const own = await openShiv(name)
  const workspace = join(own.folder, name)
  await mkdir(workspace)
  const kubeconfig = join(own.folder, 'kubeconfig')
  const text = (await readFile(cluster.cluster.kubeconfig, 'utf8')).replaceAll(cluster.cluster.context, 'test')
  await writeFile(kubeconfig, text, { mode: 0o600 })
  Object.assign(own.env, { KUBECONFIG: kubeconfig, HOME: own.folder, USER: 'ada' })
  await writeTree(workspace, {
    'shiv.yaml': environmentsOf(name, registry),
    'orders/service.yaml': `name: orders
language: container
port: 8080
health: /cgi-bin/healthz
scaling: { min_replicas: 1, max_replicas: 1 }
${service}`,
    ...Object.fromEntries(Object.entries(FILES).map(([name, text]) => [`orders/${name}`, text])),
  })
  await chmod(join(workspace, 'orders', 'cgi-bin', 'healthz'), 0o755)
  const git = (...words: string[]): void =>
    void execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...words], {
      cwd: workspace,
      stdio: 'pipe',
    })
  git('init', '--quiet')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'first')
  const kubectl = (...words: string[]): string =>
    execFileSync('kubectl', ['--kubeconfig', kubeconfig, '--context', 'test', ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const shiv = async (...words: string[]): Promise<Answer> => {
    const result = await execa(process.execPath, [shivBin, ...words], {
      cwd: workspace,
      env: own.env,
      stdin: 'ignore',
      reject: false,
    })
    return { code: result.exitCode ?? -1, out: result.stdout, err: result.stderr }
  }
  return {
    own,
    workspace,
    shiv,
    kubectl,
    deploy: (...words) => shiv('deploy', 'orders', '--env', 'staging', ...words),
    async history(env = 'staging') {
      const { out } = await shiv('deploy', 'orders', '--env', env, '--history', '--json')
      return (JSON.parse(out) as { releases: Release[] }).releases
    },
    async edit(version, files = {}) {
      const changed = { ...FILES, version, ...files }
      await writeTree(workspace, Object.fromEntries(Object.entries(changed).map(([name, text]) => [`orders/${name}`, text])))
      git('add', '--all')
      git('commit', '--quiet', '--allow-empty', '--message', `version ${version}`)
    },
    answer(namespace = `${name}-staging`) {
      return kubectl(
        '-n',
        namespace,
        'exec',
        'deployment/orders',
        '--',
        'wget',
        '-qO-',
        'http://127.0.0.1:8080/cgi-bin/healthz',
      ).trim()
    },
    async close() {
      kubectl('delete', 'namespace', `${name}-staging`, `${name}-production`, '--ignore-not-found', '--wait=false')
      await own.close()
    },
  }
}

export function environmentsOf(name: string, registry: Pick<TestRegistry, 'host'>, staging = ''): string {
  return `name: ${name}
environments:
  staging: { context: test, namespace: ${name}-staging, registry: '${registry.host}/${name}', rollout: { timeout: 60s }${staging} }
  production: { context: test, namespace: ${name}-production, registry: '${registry.host}/${name}', rollout: { timeout: 60s } }
`
}
