import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A registry:2 of one test, which nodes of kind clusters reach by the name that this machine has for it. */
export interface TestRegistry {
  /** `localhost:PORT`, here and in the nodes. */
  host: string
  container: string
  /** Lets the nodes of a cluster pull from it. */
  teach(cluster: string): void
  /** Repositories that it holds. */
  repositories(): Promise<string[]>
  remove(): void
}

export interface RegistryOptions {
  /** Lets only this user in. */
  isLocked?: boolean
  /** It has no more room than so many bytes. */
  sizeBytes?: number
}

/** Who a locked registry lets in; the registry knows the password by its bcrypt hash. */
export const LOGIN = { user: 'deployer', password: 'right-password' }
const HTPASSWD = `${LOGIN.user}:$2b$04$bZQBmmvC2AEQtODDEA2lEe6jdRZYbmvvz38U.kbwBZh7ilvh1hqti\n`
const AUTH = ['REGISTRY_AUTH=htpasswd', 'REGISTRY_AUTH_HTPASSWD_REALM=test', 'REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd']

const docker = (...argv: string[]): string =>
  execFileSync('docker', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

export async function startRegistry(name: string, options: RegistryOptions = {}): Promise<TestRegistry> {
  const container = `shiv-registry-${name}-${process.pid}`
  const { isLocked = false, sizeBytes } = options
  const storage = sizeBytes === undefined ? [] : ['--tmpfs', `/var/lib/registry:size=${sizeBytes}`]
  const auth = isLocked ? AUTH.flatMap((setting) => ['--env', setting]) : []
  const network = docker('network', 'ls', '--quiet', '--filter', 'name=^kind$').trim() === '' ? [] : ['--network', 'kind']
  docker('create', '--name', container, ...network, '--publish', '127.0.0.1::5000', ...storage, ...auth, 'registry:2')
  if (isLocked) {
    const folder = mkdtempSync(join(tmpdir(), 'shiv-registry-'))
    mkdirSync(join(folder, 'auth'))
    writeFileSync(join(folder, 'auth', 'htpasswd'), HTPASSWD)
    docker('cp', join(folder, 'auth'), `${container}:/`)
    rmSync(folder, { recursive: true })
  }
  docker('start', container)
  const host = docker('port', container, '5000').trim().replace('127.0.0.1', 'localhost')
  await untilItAnswers(host)
  return {
    host,
    container,
    teach(cluster) {
      const file = `server = "http://${container}:5000"\n[host."http://${container}:5000"]\n  capabilities = ["pull", "resolve"]\n`
      for (const node of docker('ps', '--quiet', '--filter', `label=io.x-k8s.kind.cluster=${cluster}`)
        .split('\n')
        .filter(Boolean)) {
        const folder = `/etc/containerd/certs.d/${host}`
        docker('exec', node, 'sh', '-c', `mkdir -p '${folder}' && printf '%s' '${file}' > '${folder}/hosts.toml'`)
        // Published node images look there by themselves.
        docker('exec', node, 'sh', '-c', LOOK_THERE)
      }
    },
    async repositories() {
      const answer = await fetch(`http://${host}/v2/_catalog`)
      return ((await answer.json()) as { repositories: string[] }).repositories
    },
    remove: () => void docker('rm', '--force', '--volumes', container),
  }
}

const LOOK_THERE = `grep -q certs.d /etc/containerd/config.toml || {
  printf '\\n[plugins."io.containerd.grpc.v1.cri".registry]\\n  config_path = "/etc/containerd/certs.d"\\n' >> /etc/containerd/config.toml
  systemctl restart containerd
}`

async function untilItAnswers(host: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const status = await fetch(`http://${host}/v2/`).then(
      (answer) => answer.status,
      () => 0,
    )
    if (status === 200 || status === 401) return
    if (attempt > 200) throw new Error(`the registry at ${host} does not answer`)
    await delay(50)
  }
}
