import { probeDocker } from '../../drivers/docker/probe.ts'
import { firstLine, outputOf, type Check } from './check.ts'

const KIND = 'the kind runtime'

export const toolChecks: Check[] = [
  {
    id: 'node',
    title: 'Node.js',
    async look() {
      const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
      if (major > 20 || (major === 20 && minor >= 19)) return { state: 'ok', detail: process.version }
      return { state: 'failed', detail: `${process.version} is older than 20.19`, hint: 'nvm install 20', needed: 'shiv' }
    },
  },
  {
    id: 'docker',
    title: 'Docker engine',
    async look({ environment }) {
      const probe = await probeDocker(environment)
      if (!probe.available) return { state: 'failed', detail: probe.reason, hint: probe.hint, needed: KIND }
      const gigabytes = probe.memoryBytes / 2 ** 30
      const detail = `${probe.version}, ${probe.cpus} CPUs, ${gigabytes.toFixed(0)} GB`
      if (gigabytes >= 3.5) return { state: 'ok', detail }
      return { state: 'warning', detail, hint: 'give Docker 4 GB or more: a cluster needs about 2', needed: KIND }
    },
  },
  tool(
    'buildx',
    'docker buildx',
    ['docker', 'buildx', 'version'],
    'warning',
    'install it: https://docs.docker.com/go/buildx/',
    'faster image builds',
  ),
  tool(
    'kind',
    'kind',
    ['kind', 'version'],
    'failed',
    'install it: https://kind.sigs.k8s.io/docs/user/quick-start/#installation',
    KIND,
  ),
  tool(
    'kubectl',
    'kubectl',
    ['kubectl', 'version', '--client'],
    'warning',
    'install it: https://kubernetes.io/docs/tasks/tools/',
    'nothing of shiv; handy to look into the cluster',
  ),
  tool(
    'psql',
    'psql',
    ['psql', '--version'],
    'warning',
    'install the PostgreSQL client',
    'nothing of shiv; handy to look into a database',
  ),
]

function tool(
  id: string,
  title: string,
  [command = '', ...argv]: string[],
  absent: 'warning' | 'failed',
  hint: string,
  needed: string,
): Check {
  return {
    id,
    title,
    async look(place) {
      const output = await outputOf(command, argv, place)
      if (output !== undefined) return { state: 'ok', detail: firstLine(output) }
      return { state: absent, detail: 'not there, or it does not work', hint: hint, needed }
    },
  }
}
