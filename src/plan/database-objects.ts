import { ShivError } from '../core/errors.ts'
import { escapeExpansion } from './kube-env.ts'
import type { EnvVar } from './kube-env.ts'
import { databaseLabels, workspaceLabels } from './labels.ts'
import { databaseObjectNames } from './local-objects.ts'
import { hostPeer } from './local-network.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import { containerSecurity, podSecurity, requestsAndLimits } from './security.ts'
import { expandTemplate } from './template.ts'
import type { DatabasePlan, KubeObject } from './types.ts'

const PASSWORD = 'SHIV_PASSWORD'

/** A database inside the cluster: a StatefulSet with a volume, a Service of the database's own name for pods, a NodePort where the host reaches it, and who may. */
export function databaseObjects(
  database: DatabasePlan,
  scope: ObjectScope,
  { isReachedFromHost }: { isReachedFromHost: boolean },
): KubeObject[] {
  const names = databaseObjectNames(database.name)
  const labels = databaseLabels(database.name)
  const { port } = database.preset
  const ports = [{ name: database.type, port, targetPort: port, protocol: 'TCP' }]
  const service = (name: string, type: string): KubeObject =>
    kubeObject(scope, { apiVersion: 'v1', kind: 'Service', name, labels }, { spec: { type, selector: labels, ports } })
  const policy = kubeObject(
    scope,
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', name: names.policy, labels },
    {
      spec: {
        podSelector: { matchLabels: labels },
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [...(database.users.length > 0 ? [usersOf(database)] : []), ...(isReachedFromHost ? [hostPeer] : [])],
            ports: [{ port, protocol: 'TCP' }],
          },
        ],
      },
    },
  )
  return [
    ...(scope.model.platform.networkPolicy ? [policy] : []),
    service(names.service, 'ClusterIP'),
    ...(isReachedFromHost ? [service(names.host, 'NodePort')] : []),
    statefulSet(database, scope),
  ]
}

function usersOf(database: DatabasePlan): object {
  return { podSelector: { matchExpressions: [{ key: 'app.kubernetes.io/name', operator: 'In', values: database.users }] } }
}

function statefulSet(database: DatabasePlan, scope: ObjectScope): KubeObject {
  const { preset } = database
  const labels = databaseLabels(database.name)
  const writable = [...new Set([...(preset.container.writablePaths ?? []), '/tmp'])]
  const health = { exec: { command: literal(preset.health.command, database) } }
  const container = {
    name: database.name,
    image: database.image,
    imagePullPolicy: 'IfNotPresent',
    ...(preset.container.command && { command: literal(preset.container.command, database).map(escapeExpansion) }),
    ...(preset.container.args && { args: literal(preset.container.args, database).map(escapeExpansion) }),
    env: containerEnv(database),
    ports: [{ name: 'database', containerPort: preset.port, protocol: 'TCP' }],
    resources: requestsAndLimits(preset.container.resources),
    startupProbe: { ...health, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 180 },
    livenessProbe: { ...health, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...health, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
    securityContext: containerSecurity(true),
    volumeMounts: [
      { name: 'data', mountPath: preset.dataPath },
      ...writable.map((mountPath, index) => ({ name: `writable-${index}`, mountPath })),
    ],
  }
  return kubeObject(
    scope,
    { apiVersion: 'apps/v1', kind: 'StatefulSet', name: databaseObjectNames(database.name).set, labels },
    {
      spec: {
        replicas: 1,
        serviceName: databaseObjectNames(database.name).service,
        selector: { matchLabels: labels },
        updateStrategy: { type: 'RollingUpdate' },
        template: {
          metadata: { labels: { ...workspaceLabels(scope.model), ...labels } },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            terminationGracePeriodSeconds: 30,
            securityContext: podSecurity(preset.user),
            containers: [container],
            volumes: writable.map((_path, index) => ({ name: `writable-${index}`, emptyDir: {} })),
          },
        },
        volumeClaimTemplates: [
          {
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            metadata: { name: 'data', labels: workspaceLabels(scope.model) },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: database.storage } } },
          },
        ],
      },
    },
  )
}

/** A value that holds the password is a reference, or made of one by `$(…)`. */
function containerEnv(database: DatabasePlan): EnvVar[] {
  const fromSecret = { secretKeyRef: { name: database.secret, key: 'password' } }
  const vars: EnvVar[] = []
  for (const [name, template] of Object.entries(database.preset.container.env)) {
    if (template === '${password}') {
      vars.push({ name, valueFrom: fromSecret })
      continue
    }
    const parts = expandTemplate(template, identity(database)).split('${password}').map(escapeExpansion)
    if (parts.length > 1 && !vars.some((known) => known.name === PASSWORD)) vars.push({ name: PASSWORD, valueFrom: fromSecret })
    vars.push({ name, value: parts.join(`$(${PASSWORD})`) })
  }
  return vars
}

function identity(database: DatabasePlan): Record<string, string | number> {
  const { credentials, port, dataPath } = database.preset
  return { user: credentials.user ?? '', name: credentials.name ?? '', port, data: dataPath }
}

/** Words of a command with everything filled but the password, which must never be one. Throws PLAN_PASSWORD_IN_ARGV. */
function literal(words: string[], database: DatabasePlan): string[] {
  return words.map((word) => {
    if (!word.includes('${password}')) return expandTemplate(word, identity(database))
    throw new ShivError(
      `the preset ${database.type} puts the password of ${database.name} on a command line, where every process can read it`,
      {
        code: 'PLAN_PASSWORD_IN_ARGV',
        exit: 2,
        hint: 'Give it to the container as an environment variable: container.env in presets/databases.',
      },
    )
  })
}
