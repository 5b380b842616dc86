import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pod } from '../../../src/drivers/kubernetes/objects.ts'
import type { ReloadOrder, ReloadOutcome, ReloadPort, Runtime } from '../../../src/engine/ports.ts'
import { HELPER_SCRIPTS } from '../../../src/plan/reload-helper.ts'
import type { Plan } from '../../../src/plan/types.ts'
import type { TestCluster } from '../../support/cluster.ts'
import { type Tree, createTree } from '../sync/overlay.ts'
import { contextOf } from './context.ts'
import { type Piece, configMap, kindPlan } from './plans.ts'

export const CODE = '/app'

/** A bare Node server that says what it is and who it is. */
export const nodeServer = (word: string, more = '') => `
const { createServer } = require('node:http')
createServer((request, response) => {
  response.setHeader('connection', 'close')
  response.end(request.url === '/healthz' ? 'ok' : ${JSON.stringify(word)} + ' ' + process.pid)
}).listen(8080)
${more}`

/** The same in Go. */
export const goServer = (word: string) => `package main
import ("fmt"; "net/http"; "os")
func main() {
  http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
  http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("connection", "close"); fmt.Fprintf(w, "${word} %d", os.Getpid()) })
  panic(http.ListenAndServe(":8080", nil))
}
`

/** Builds an image on the host; returns its reference. */
export function buildImage(name: string, dockerfile: string, files: Record<string, string | Buffer>): string {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-image-'))
  writeFileSync(join(folder, 'Dockerfile'), dockerfile)
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content, { mode: 0o755 })
  execFileSync('docker', ['build', '-q', '-t', name, folder], { stdio: 'pipe' })
  return name
}

/** The Plan of one service whose pods can be reloaded, as the plan room makes them, in a namespace that enforces `restricted`. */
export function reloadPlan(workspace: string, cluster: Plan['cluster'], piece: Piece, env: Record<string, string> = {}): Plan {
  const security = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true }
  const tools = { name: 'shiv-tools', mountPath: '/shiv' }
  const variables = { SHIV_GRACE_SECONDS: '5', SHIV_HEALTH_PORT: '8080', SHIV_HEALTH_PATH: '/healthz', ...env }
  return kindPlan(
    workspace,
    cluster,
    [
      {
        ...piece,
        command: ['/shiv/busybox', 'sh', '/shiv/run.sh', ...(piece.command ?? [])],
        container: {
          workingDir: CODE,
          env: Object.entries(variables).map(([name, value]) => ({ name, value })),
          resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '512Mi' } },
          volumeMounts: [tools, { name: 'shiv-code', mountPath: CODE }, { name: 'tmp', mountPath: '/tmp' }],
          startupProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1, failureThreshold: 60 },
        },
        pod: {
          terminationGracePeriodSeconds: 5,
          initContainers: [
            {
              name: 'shiv-tools',
              image: 'busybox:1.36-musl',
              command: ['sh', '-c', 'cp /bin/busybox /scripts/* /shiv/'],
              securityContext: security,
              volumeMounts: [tools, { name: 'shiv-scripts', mountPath: '/scripts' }],
            },
            {
              name: 'shiv-seed',
              image: piece.image,
              command: ['/shiv/busybox', 'sh', '/shiv/seed.sh', CODE, '/shiv-code', '/shiv-overlay'],
              securityContext: security,
              volumeMounts: [
                tools,
                { name: 'shiv-code', mountPath: '/shiv-code' },
                { name: 'shiv-overlay', mountPath: '/shiv-overlay', readOnly: true },
              ],
            },
          ],
          volumes: [
            { name: 'tmp', emptyDir: {} },
            { name: 'shiv-tools', emptyDir: {} },
            { name: 'shiv-code', emptyDir: {} },
            { name: 'shiv-scripts', configMap: { name: 'shiv-reload' } },
            { name: 'shiv-overlay', configMap: { name: `${piece.name}-overlay`, optional: true } },
          ],
        },
      },
    ],
    { objects: [configMap('shiv-reload', workspace, HELPER_SCRIPTS)] },
  )
}

/** Orders of one service of a Plan, and what became of their phases. */
export function createOrders(plan: Plan): {
  tree: Tree
  next(restart?: ReloadOrder['restart']): ReloadOrder
  readonly phases: string[]
  readonly times: Record<string, number>
} {
  const tree = createTree(mkdtempSync(join(tmpdir(), 'shiv-tree-')), CODE)
  const phases: string[] = []
  const times: Record<string, number> = {}
  let sequence = 0
  return {
    tree,
    phases,
    times,
    next(restart = 'process') {
      phases.length = 0
      sequence += 1
      return {
        service: plan.services[0]!,
        sequence,
        overlay: tree.overlay(),
        mark: tree.mark(),
        restart,
        async hold() {
          phases.push('hold')
          return () => phases.push('let go')
        },
        passed(phase) {
          phases.push(phase)
          times[phase] = performance.now()
        },
        signal: new AbortController().signal,
      }
    },
  }
}

/** A Plan that runs, its orders, and how to look into its pods. */
export async function startReload(test: TestCluster, runtime: Runtime, plan: Plan) {
  const reload = runtime.reload as ReloadPort
  const context = contextOf(plan)
  await runtime.reconcile(plan, context)
  const orders = createOrders(plan)
  const kubectl = (...argv: string[]) => test.kubectl('-n', plan.namespace, ...argv)
  const pods = () => {
    const { items } = JSON.parse(kubectl('get', 'pods', '-o', 'json')) as { items: Pod[] }
    return items
      .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase === 'Running')
      .map(({ metadata }) => metadata.name)
  }
  const ask = async (pod: string) =>
    kubectl('exec', pod, '-c', 'web', '--', '/shiv/busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/')
  const answers = async () => Promise.all(pods().map(ask))
  const words = async () => (await answers()).map((answer) => answer.split(' ')[0])
  const apply = (restart?: Parameters<typeof orders.next>[0]) => reload.apply(plan, orders.next(restart), context)
  const verified = async () => {
    const expected = new Map([...orders.tree.overlay()].map(([path, { hash }]) => [path, hash]))
    return (await reload.verify(plan, 'web', expected, context)).map(({ differing, cause }) => cause ?? differing)
  }
  return { plan, context, orders, kubectl, pods, ask, answers, words, apply, verified }
}

export const states = ({ replicas }: ReloadOutcome) => replicas.map(({ state }) => state)
