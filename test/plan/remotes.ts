import type { Remote } from '../../src/spec/remote.ts'

/** A dependency outside of the workspace: over https in staging, to be read only. */
export function makeRemote(name: string, overrides: Partial<Remote> = {}): Remote {
  return {
    name,
    protocol: 'http',
    mode: 'staging',
    target: { kind: 'url', url: `https://${name}.staging.example.com`, environment: 'staging' },
    access: { level: 'read_only', allow: [] },
    rules: {},
    recording: {
      file: `recordings/${name}.har`,
      recordMissing: false,
      rules: {
        ignore: { query: [], headers: [], body: [] },
        redact: { headers: [], cookies: [], body: [], patterns: [] },
        order: 'any',
      },
    },
    inCluster: { service: name, port: 80 },
    hostnames: [],
    position: { file: '/home/dev/shop/orders/service.yaml', line: 4, column: 5 },
    ...overrides,
  }
}
