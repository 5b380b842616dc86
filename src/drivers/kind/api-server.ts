import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { parse, stringify } from 'yaml'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import type { Engine } from '../docker/engine.ts'
import { runInContainer } from '../docker/exec.ts'
import type { NodeContainer } from './containers.ts'

/** Enough of a client for the questions that the driver itself asks. */
export interface ApiServer {
  /** Status and body; undefined when nobody answers within the time. */
  get(path: string, timeoutMs: number): Promise<{ status: number; body: string } | undefined>
  close(): void
}

interface Kubeconfig {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[]
  users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[]
}

/** The context's name, the one that kind uses too. */
export function contextName(cluster: string): string {
  return `kind-${cluster}`
}

/** Connects with the credentials of a kubeconfig file. */
export async function connectApiServer(kubeconfig: string): Promise<ApiServer> {
  const { clusters, users } = parse(await readFile(kubeconfig, 'utf8')) as Kubeconfig
  const [cluster, user] = [clusters[0]?.cluster, users[0]?.user]
  if (cluster === undefined || user === undefined) throw new Error(`${kubeconfig} names no cluster`)
  const agent = new Agent({
    keepAlive: true,
    ca: Buffer.from(cluster['certificate-authority-data'], 'base64'),
    cert: Buffer.from(user['client-certificate-data'], 'base64'),
    key: Buffer.from(user['client-key-data'], 'base64'),
  })
  return {
    get: (path, timeoutMs) =>
      new Promise((resolve) => {
        const nobody = (): void => resolve(undefined) // refused, reset and late all mean: not yet
        const call = request(new URL(path, cluster.server), { agent, timeout: timeoutMs }, (response) => {
          let body = ''
          response.setEncoding('utf8')
          response.on('data', (text: string) => (body += text))
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
          response.on('error', nobody)
        })
        call.on('timeout', () => call.destroy())
        call.on('error', nobody)
        call.end()
      }),
    close: () => agent.destroy(),
  }
}

/**
 * Writes the kubeconfig of a cluster (0600) from what its control plane holds, as soon as that is there: kind's own comes at the very
 * end of a creation. Returns false while it is not there yet.
 */
export async function writeKubeconfig(engine: Engine, cluster: string, node: NodeContainer, path: string): Promise<boolean> {
  const port = node.ports.get(6443)
  if (!node.running || port === undefined) return false
  const read = await runInContainer(engine, node.id, ['cat', '/etc/kubernetes/admin.conf'])
  if (read.code !== 0) return false
  const admin = parse(read.stdout) as Partial<Kubeconfig> | null
  const [from, user] = [admin?.clusters?.[0]?.cluster, admin?.users?.[0]?.user]
  if (from === undefined || user === undefined) return false // kubeadm is writing it
  const name = contextName(cluster)
  const server = `https://127.0.0.1:${port}`
  await writeFileAtomic(
    path,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': name,
      clusters: [{ name, cluster: { ...from, server } }],
      users: [{ name, user }],
      contexts: [{ name, context: { cluster: name, user: name } }],
    }),
  )
  return true
}
