import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { oldImages } from '../../../src/drivers/kind/collect.ts'
import { kindConfig } from '../../../src/drivers/kind/config.ts'
import { sizesOf } from '../../../src/drivers/kind/host-image.ts'
import type { NodeContainer } from '../../../src/drivers/kind/containers.ts'
import { chainIds, parseBlobs, parseImages, parseSnapshots } from '../../../src/drivers/kind/node-store.ts'
import { describeCluster } from '../../../src/drivers/kind/reach.ts'

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`

describe("containerd's answers", () => {
  test('images by name', () => {
    const lines = ['REF TYPE DIGEST SIZE PLATFORMS LABELS', `shiv.local/a:1   application/x ${digest('1')} 1.0 MiB linux/amd64 -`]
    expect(parseImages(lines)).toEqual(new Map([['shiv.local/a:1', digest('1')]]))
  })

  test('blobs with their bytes and what is inside', () => {
    const lines = [
      'DIGEST SIZE AGE LABELS',
      `${digest('1')}\t2kB\t9 minutes\tcontainerd.io/uncompressed=${digest('2')}`,
      `${digest('3')}\t1B\t1 s\t-`,
    ]
    expect(parseBlobs(lines, [`${digest('1')} 2048`])).toEqual(new Map([[digest('1'), { sizeBytes: 2048, diffId: digest('2') }]]))
  })

  test('only committed snapshots', () => {
    const lines = [
      'KEY PARENT KIND',
      `${digest('1')}  Committed`,
      `${digest('2')} ${digest('1')} Committed`,
      `${digest('4')} ${digest('1')} Active`,
    ]
    expect(parseSnapshots(lines)).toEqual(new Set([digest('1'), digest('2')]))
  })

  test('chain ids as the image specification defines them', () => {
    // sha256 of "DIFF1 DIFF2", taken with sha256sum.
    const both = 'sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c'
    expect(chainIds([digest('a'), digest('b')])).toEqual([digest('a'), both])
  })
})

describe('images to collect on a node', () => {
  const images = new Map([
    ['shiv.local/shop/a:old', digest('1')],
    [digest('c'), digest('1')],
    ['shiv.local/shop/a:new', digest('2')],
    [digest('d'), digest('2')],
    ['shiv.local/other/b:1', digest('3')],
    ['docker.io/library/postgres:15', digest('4')],
  ])

  test('are those of shiv that are not kept, with their second name', () => {
    expect(oldImages(images, { keep: ['shiv.local/shop/a:new'], workspace: 'shop' })).toEqual([
      'shiv.local/shop/a:old',
      digest('c'),
    ])
    expect(oldImages(images, { keep: ['shiv.local/shop/a:new'] })).toContain('shiv.local/other/b:1')
  })

  test('leave the second name where a kept image shares it', () => {
    const shared = new Map([...images, ['shiv.local/shop/a:new', digest('1')]])
    expect(oldImages(shared, { keep: ['shiv.local/shop/a:new'], workspace: 'shop' })).toEqual(['shiv.local/shop/a:old'])
  })
})

describe('the way into a cluster', () => {
  const node = (ports: [number, number][]): NodeContainer => ({
    id: 'x',
    name: 'shop-control-plane',
    role: 'control-plane',
    running: true,
    image: 'kindest/node:v1.34.4',
    address: '172.18.0.2',
    ports: new Map(ports),
  })

  test("is the node's address where no ports are mapped", () => {
    const cluster = describeCluster('shop', [node([[6443, 40000]])], '/k')
    expect(cluster.reach(31234)).toEqual({ host: '172.18.0.2', port: 31234 })
    expect(cluster).toMatchObject({ context: 'kind-shop', nodePorts: undefined, nodes: [{ address: '172.18.0.2' }] })
  })

  test('is loopback where they are, and nothing else', () => {
    const cluster = describeCluster(
      'shop',
      [
        node([
          [30000, 41000],
          [30001, 41001],
        ]),
      ],
      '/k',
    )
    expect(cluster.reach(30001)).toEqual({ host: '127.0.0.1', port: 41001 })
    expect(cluster).toMatchObject({ nodePorts: { from: 30000, to: 30063 }, nodes: [{ address: undefined }] })
    expect(() => cluster.reach(31234)).toThrow(/30000 to 30063/)
  })
})

test('mapped ports are bound to loopback, and Kubernetes picks from them', () => {
  const config = parse(kindConfig({ name: 'shop', image: 'kindest/node:v1.34.4', workers: 1, mapped: true })) as {
    nodes: { role: string; extraPortMappings?: { listenAddress: string }[] }[]
    kubeadmConfigPatches: string[]
  }
  expect(config.nodes.map((one) => one.role)).toEqual(['control-plane', 'worker'])
  expect(new Set(config.nodes[0]?.extraPortMappings?.map((port) => port.listenAddress))).toEqual(new Set(['127.0.0.1']))
  expect(config.kubeadmConfigPatches.join('\n')).toContain('30000-30063')
  expect(kindConfig({ name: 'shop', image: undefined, workers: 0, mapped: false })).not.toContain('30000')
})

describe('sizes of layers', () => {
  const entry = (Size: number, CreatedBy: string) => ({ Size, CreatedBy })

  test('come from a history, whose empty entries are layers only where they make a folder', () => {
    const base = [entry(126, ''), entry(0, '/bin/sh -c #(nop)  CMD ["node"]')]
    const own = [entry(0, 'ENV A=b'), entry(0, 'WORKDIR /app'), entry(4, 'COPY /app ./ # buildkit'), entry(0, 'CMD ["node"]')]
    expect(sizesOf([...base, ...own], 3)).toEqual([126, 0, 4])
    expect(sizesOf([...base, ...own], 2)).toEqual([126, 4])
  })

  test('are put on the lowest layer where they cannot be told apart', () => {
    expect(sizesOf([entry(1, 'COPY a'), entry(2, 'COPY b')], 3)).toEqual([3, 0, 0])
  })
})
