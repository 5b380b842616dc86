import { randomUUID } from 'node:crypto'
import type { KubeObject } from '../../plan/types.ts'
import type { Engine } from '../docker/engine.ts'
import { runInContainer } from '../docker/exec.ts'

/** As kind sets up its default storage class, whose provisioner also removes what is made here. */
const storageClass = 'standard'
const provisioner = 'rancher.io/local-path'
const parent = '/var/local-path-provisioner'

/**
 * A volume for a claim, on a node: the folder that kind's own provisioner would make there, and the object that it would describe it
 * with, seconds before that provisioner runs in a new cluster. Undefined where the folder cannot be made: then it is up to the provisioner.
 */
export async function makeNodeVolume(engine: Engine, node: string, claim: KubeObject): Promise<KubeObject | undefined> {
  const volume = describeVolume(node, claim, `pvc-${randomUUID()}`)
  const { path } = (volume['spec'] as { hostPath: { path: string } }).hostPath
  const made = await runInContainer(engine, node, ['mkdir', '-m', '0777', '-p', path])
  return made.code === 0 ? volume : undefined
}

export function describeVolume(node: string, claim: KubeObject, name: string): KubeObject {
  const { namespace, name: claimName } = claim.metadata
  const { accessModes, resources } = claim['spec'] as { accessModes: string[]; resources: { requests: object } }
  const hostname = { key: 'kubernetes.io/hostname', operator: 'In', values: [node] }
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': provisioner } },
    spec: {
      storageClassName: storageClass,
      accessModes,
      capacity: resources.requests,
      persistentVolumeReclaimPolicy: 'Delete',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claimName },
      hostPath: { path: `${parent}/${name}_${namespace}_${claimName}`, type: 'DirectoryOrCreate' },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [hostname] }] } },
    },
  }
}
