import { execa } from 'execa'

/** The newest node image that the host has, or undefined where kind cannot run. */
export async function findKind(): Promise<{ nodeImage: string } | undefined> {
  const kind = await execa('kind', ['version'], { reject: false })
  if (kind.exitCode !== 0) return undefined
  const images = await execa('docker', ['image', 'ls', 'kindest/node', '--format', '{{.Repository}}:{{.Tag}}'], { reject: false })
  const nodeImage = images.stdout?.split('\n').find((line) => line.startsWith('kindest/node:v'))
  return images.exitCode === 0 && nodeImage ? { nodeImage } : undefined
}

/** Creates a plain cluster as a user of kind would, and returns a way to delete it. */
export async function createPlainCluster(name: string, nodeImage: string, kubeconfig: string): Promise<() => Promise<void>> {
  await execa('kind', ['create', 'cluster', '--name', name, '--image', nodeImage, '--wait', '120s', '--kubeconfig', kubeconfig])
  return () => deleteCluster(name, kubeconfig)
}

export async function deleteCluster(name: string, kubeconfig: string): Promise<void> {
  await execa('kind', ['delete', 'cluster', '--name', name, '--kubeconfig', kubeconfig])
}
