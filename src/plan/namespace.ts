import { workspaceLabels } from './labels.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import type { KubeObject } from './types.ts'

/** The namespace, with Pod Security enforced by its labels, and its quota where the platform has one. */
export function namespaceObjects(scope: ObjectScope): KubeObject[] {
  const level = scope.model.platform.podSecurity
  const modes = ['enforce', 'warn', 'audit']
  const security = Object.fromEntries(modes.map((mode) => [`pod-security.kubernetes.io/${mode}`, level]))
  const namespace: KubeObject = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: scope.namespace, labels: { ...workspaceLabels(scope.model), ...security } },
  }
  const hard = scope.model.platform.quota
  if (!hard) return [namespace]
  return [namespace, kubeObject(scope, { apiVersion: 'v1', kind: 'ResourceQuota', name: 'shiv' }, { spec: { hard } })]
}
