import { quantile } from '../../src/bench/statistics.ts'
import { withChildren, type Child } from '../support/children.ts'
import { askMany, askSteadily, openWebSockets, transfer } from '../support/dependency-load.ts'
import { interleave, type Row } from '../support/measure.ts'

const ROUNDS = 7
const REQUESTS = 5_000
const CONNECTIONS = 16
const GIGABYTE = 1e9
const WEBSOCKETS = 5_000

const ROLES: Record<string, number | undefined> = {
  shiv: 0.28,
  'shiv with rules': 0.2,
  undici: undefined,
  plain: undefined,
  httpxy: undefined,
}

/**
 * Requests per second of processor time, the proxy's process alone, as a part of what the service itself does per second of its own. All take turns
 * within one run, so that a machine which does other things weighs on all alike.
 */
export async function dependencyRequests(): Promise<Row[]> {
  return withChildren(async (begin) => {
    const children: Record<string, Child> = { service: await begin('service') }
    for (const role of Object.keys(ROLES)) children[role] = await begin(role, children['service']!.port)
    const samples: Record<string, number[]> = {}
    for (let round = -3; round < ROUNDS; round += 1)
      for (const [role, child] of Object.entries(children)) {
        const value = await perSecond(child)
        if (round >= 0) (samples[role] ??= []).push(value)
      }
    return Object.entries(ROLES).map(([role, aim]) => ({
      measure: `requests per CPU-second, ${role}`,
      unit: 'requests' as const,
      samples: samples[role]!,
      baseline: { name: 'the service itself', samples: samples['service']! },
      aim: aim === undefined ? '–' : `≥ ${aim} of direct`,
      met: ({ ratio = 0 }) => ratio >= (aim ?? 0),
      ...(role === 'undici' && { remark: 'node:http and the bare dispatch of undici, without any rule, guard or account' }),
    }))
  })
}

/** Processor time of a request that is recorded, against one that is not. */
export async function dependencyRecording(): Promise<Row[]> {
  return withChildren(async (begin) => {
    const service = await begin('service')
    const recording = await begin('shiv recording', service.port)
    const plain = await begin('shiv', service.port)
    const { a, b } = await interleave(
      ROUNDS,
      async () => 1e6 / (await perSecond(recording)),
      async () => 1e6 / (await perSecond(plain)),
      3,
    )
    return [
      {
        measure: 'record, processor time a request',
        unit: 'µs',
        samples: a,
        baseline: { name: 'not recorded', samples: b },
        aim: '≤ 1.4 × not recorded',
        met: ({ ratio = Infinity }) => ratio <= 1.4,
        remark: 'one request again and again, into a HAR file',
      },
    ]
  })
}

/** What the proxy adds to an answer at 1,000 requests a second. */
export async function dependencyLatency(): Promise<Row[]> {
  return withChildren(async (begin) => {
    const service = await begin('service')
    const shiv = await begin('shiv', service.port)
    const added: { p50: number[]; p99: number[] } = { p50: [], p99: [] }
    for (let round = -1; round < 5; round += 1) {
      const direct = await askSteadily(service.port, 1_000, 3)
      const proxied = await askSteadily(shiv.port, 1_000, 3)
      if (round < 0) continue
      added.p50.push(quantile(proxied, 0.5) - quantile(direct, 0.5))
      added.p99.push(quantile(proxied, 0.99) - quantile(direct, 0.99))
    }
    return [
      {
        measure: 'added latency at 1,000/s, p50',
        unit: 'ms',
        samples: added.p50,
        aim: '≤ 0.3 ms',
        met: ({ median }) => median <= 0.3,
      },
      {
        measure: 'added latency at 1,000/s, p99',
        unit: 'ms',
        samples: added.p99,
        aim: '≤ 1.5 ms',
        met: ({ median }) => median <= 1.5,
      },
    ]
  })
}

/** A gigabyte each way, and the memory that it takes. */
export async function dependencyTransfer(): Promise<Row[]> {
  return withChildren(async (begin) => {
    const service = await begin('service')
    const shiv = await begin('shiv', service.port)
    const rows: Row[] = []
    for (const way of ['down', 'up'] as const) {
      await transfer(shiv.port, way, GIGABYTE / 4)
      const before = (await shiv.usage(true)).rss
      let peak = before
      const watch = setInterval(() => void shiv.usage().then(({ rss }) => (peak = Math.max(peak, rss))), 100)
      const { a, b } = await interleave(
        3,
        async () => GIGABYTE / 1e3 / (await transfer(shiv.port, way, GIGABYTE)),
        async () => GIGABYTE / 1e3 / (await transfer(service.port, way, GIGABYTE)),
        0,
      )
      clearInterval(watch)
      rows.push(
        {
          measure: `1 GB ${way}, MB a second`,
          unit: 'MB',
          samples: a,
          baseline: { name: 'direct', samples: b },
          aim: '≥ 0.6 of direct',
          met: ({ ratio = 0 }) => ratio >= 0.6,
        },
        {
          measure: `1 GB ${way}, memory added at most`,
          unit: 'MB',
          samples: [(peak - before) / 1e6],
          aim: '≤ 20 MB',
          met: ({ median }) => median <= 20,
        },
      )
    }
    return rows
  })
}

/** Memory of idle WebSockets, both their connections. */
export async function dependencyWebSockets(): Promise<Row[]> {
  return withChildren(async (begin) => {
    const service = await begin('service')
    const shiv = await begin('shiv', service.port)
    // So that the heap has grown to its working size before anything is counted.
    const warm = await openWebSockets(shiv.port, WEBSOCKETS / 3)
    const before = (await shiv.usage(true)).rss
    const close = await openWebSockets(shiv.port, WEBSOCKETS)
    const after = (await shiv.usage(true)).rss
    close()
    warm()
    return [
      {
        measure: '5,000 idle WebSockets, memory each',
        unit: 'kB',
        samples: [(after - before) / WEBSOCKETS / 1e3],
        aim: '≤ 12 kB',
        met: ({ median }) => median <= 12,
      },
    ]
  })
}

async function perSecond(child: Child): Promise<number> {
  const before = await child.usage()
  await askMany(child.port, CONNECTIONS, REQUESTS)
  const after = await child.usage()
  return REQUESTS / ((after.cpuMicroseconds - before.cpuMicroseconds) / 1e6)
}
