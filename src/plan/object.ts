import type { Model } from '../spec/model.ts'
import { workspaceLabels } from './labels.ts'
import type { Labels } from './labels.ts'
import type { RemotePlan } from './remote.ts'
import type { KubeObject } from './types.ts'

export interface ObjectScope {
  model: Model
  namespace: string
  /** Of all services of the Plan. */
  remotes: RemotePlan[]
}

/** An object of ours in the namespace, labelled; `labels` come on top. */
export function kubeObject(
  scope: ObjectScope,
  head: { apiVersion: string; kind: string; name: string; labels?: Labels; annotations?: Record<string, string> },
  body: Record<string, unknown>,
): KubeObject {
  return {
    apiVersion: head.apiVersion,
    kind: head.kind,
    metadata: {
      name: head.name,
      namespace: scope.namespace,
      labels: { ...workspaceLabels(scope.model), ...head.labels },
      ...(head.annotations && { annotations: head.annotations }),
    },
    ...body,
  }
}
