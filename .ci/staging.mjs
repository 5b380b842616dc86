// A staging for CI: a kind cluster and a registry:2 beside it. `up FOLDER` makes them and writes there a kubeconfig and a copy of the examples that
// deploys to them and starts in a cluster of its own; `down FOLDER` removes all of it.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const CLUSTER = 'shiv-ci-staging'
/** Where the copy starts. */
const PARITY = 'shiv-ci'
const REGISTRY = 'shiv-ci-registry'
const [command, folder = ''] = process.argv.slice(2)

const run = (file, ...argv) => execFileSync(file, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
const tries = (file, ...argv) => {
  try {
    return execFileSync(file, argv, { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return undefined // it is not there
  }
}

async function up() {
  down()
  const kubeconfig = join(folder, 'kubeconfig')
  const image = run('docker', 'images', '--format', '{{.Repository}}:{{.Tag}}', 'kindest/node').split('\n')[0]
  run(
    'kind',
    'create',
    'cluster',
    '--name',
    CLUSTER,
    '--kubeconfig',
    kubeconfig,
    '--wait',
    '120s',
    ...(image ? ['--image', image] : []),
  )
  run('docker', 'run', '--detach', '--name', REGISTRY, '--network', 'kind', '--publish', '127.0.0.1::5000', 'registry:2')
  const host = run('docker', 'port', REGISTRY, '5000').split('\n')[0].replace('127.0.0.1', 'localhost')
  teach(host)
  // What pods pull from elsewhere is brought, so that a machine without internet has it too.
  for (const image of ['postgres:15'])
    if (tries('docker', 'image', 'inspect', image) !== undefined) run('kind', 'load', 'docker-image', image, '--name', CLUSTER)
  copyExamples(host)
  console.log(`staging: context kind-${CLUSTER}, registry ${host}`)
}

/** Nodes reach the registry by its container's name where pods name it as this machine does. */
function teach(host) {
  const file = `server = "http://${REGISTRY}:5000"\n[host."http://${REGISTRY}:5000"]\n  capabilities = ["pull", "resolve"]\n`
  const script = [
    `mkdir -p '/etc/containerd/certs.d/${host}'`,
    `printf '%s' '${file}' > '/etc/containerd/certs.d/${host}/hosts.toml'`,
    `grep -q certs.d /etc/containerd/config.toml || { printf '\\n[plugins."io.containerd.grpc.v1.cri".registry]\\n  config_path = "/etc/containerd/certs.d"\\n' >> /etc/containerd/config.toml; systemctl restart containerd; }`,
  ].join(' && ')
  for (const node of run('kind', 'get', 'nodes', '--name', CLUSTER).split('\n')) run('docker', 'exec', node, 'sh', '-c', script)
}

/** The examples as a repository of their own with one commit, which deploy to this staging. */
function copyExamples(host) {
  const tree = join(folder, 'examples')
  cpSync('examples', tree, { recursive: true, filter: (path) => !/[\\/](node_modules|dist|\.venv)([\\/]|$)/.test(path) })
  const shop = readFileSync(join(tree, 'shiv.yaml'), 'utf8')
  const staging = { context: `kind-${CLUSTER}`, namespace: 'shop-staging', registry: `${host}/shop`, databases: 'cluster' }
  writeFileSync(
    join(tree, 'shiv.yaml'),
    `${shop}cluster: { name: ${PARITY} }\nenvironments:\n  staging: ${JSON.stringify(staging)}\n`,
  )
  const git = (...argv) => run('git', '-C', tree, '-c', 'user.name=CI', '-c', 'user.email=ci@example.com', ...argv)
  git('init', '--quiet', '--initial-branch', 'main')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'The examples, deployed to a staging')
}

function down() {
  for (const name of [CLUSTER, PARITY]) tries('kind', 'delete', 'cluster', '--name', name)
  tries('docker', 'rm', '--force', '--volumes', REGISTRY)
  if (folder !== '' && existsSync(folder)) rmSync(folder, { recursive: true })
  if (folder !== '') mkdirSync(folder, { mode: 0o700 })
}

if (folder === '' || !['up', 'down'].includes(command)) {
  console.error('usage: node .ci/staging.mjs up|down FOLDER')
  process.exit(2)
}
if (command === 'up') await up()
else {
  down()
  rmSync(folder, { recursive: true })
}
