import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fullName, sha256, type HostImage } from '../../../src/drivers/kind/host-image.ts'
import { chainIds, type NodeLayers } from '../../../src/drivers/kind/node-store.ts'
import { lackingLayers, ociArchive } from '../../../src/drivers/kind/oci-archive.ts'
import { filterSaved } from '../../../src/drivers/kind/saved-archive.ts'
import { tarEnd, tarFile } from '../../../src/drivers/kind/tar.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shiv-archive-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const [base, modules, code] = ['base', 'modules', 'code'].map((text) => sha256(text)) as [string, string, string]
const config = Buffer.from('{"os":"linux"}')
const image: HostImage = {
  reference: 'shiv.local/shop/orders:abc',
  name: 'shiv.local/shop/orders:abc',
  id: 'sha256:00',
  diffIds: [base, modules, code],
  layerBytes: [10, 20, 4],
  folders: [],
  config,
  configDigest: sha256(config),
}
const empty: NodeLayers = { snapshots: new Set(), blobs: new Map() }

async function unpack(archive: AsyncIterable<Buffer>): Promise<(name: string) => string> {
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk)
  const file = join(folder, 'archive.tar')
  await writeFile(file, Buffer.concat(chunks))
  return (name) => execFileSync('tar', name === '' ? ['-tf', file] : ['-xOf', file, name], { encoding: 'utf8' })
}

describe('what a node lacks', () => {
  test('is everything on an empty node, and nothing of what it has as a blob, compressed or not, or unpacked', () => {
    expect(lackingLayers(image, empty)).toEqual([base, modules, code])
    const blobs = new Map([[sha256('gzip of base'), { sizeBytes: 5, diffId: base }]])
    expect(lackingLayers(image, { blobs, snapshots: new Set() })).toEqual([modules, code])
    expect(lackingLayers(image, { blobs: new Map(), snapshots: new Set(chainIds([base, modules])) })).toEqual([code])
  })

  test('a layer that is unpacked on top of another one does not count', () => {
    expect(lackingLayers(image, { blobs: new Map(), snapshots: new Set(chainIds([modules])) })).toEqual([base, modules, code])
  })
})

test('an archive holds the caught layers only, and a manifest that names all of them', async () => {
  const file = join(folder, 'code.tar')
  await writeFile(file, 'code')
  const caught = new Map([[code, { diffId: code, sizeBytes: 4, file }]])
  const gzip = sha256('gzip of base')
  const node: NodeLayers = { snapshots: new Set(), blobs: new Map([[gzip, { sizeBytes: 5, diffId: base }]]) }
  const read = await unpack(ociArchive([image], caught, node))
  const blob = (digest: string): string => read(`blobs/sha256/${digest.slice(7)}`)
  const names = read('').trim().split('\n')
  expect(names).toContain(`blobs/sha256/${code.slice(7)}`)
  expect(names).not.toContain(`blobs/sha256/${modules.slice(7)}`)
  expect(blob(code)).toBe('code')
  const index = JSON.parse(read('index.json')) as { manifests: { digest: string; annotations: Record<string, string> }[] }
  expect(index.manifests[0]?.annotations).toEqual({ 'io.containerd.image.name': image.name })
  const manifest = blob(index.manifests[0]?.digest ?? '')
  expect(sha256(manifest)).toBe(index.manifests[0]?.digest)
  const tar = 'application/vnd.oci.image.layer.v1.tar'
  expect(JSON.parse(manifest)).toMatchObject({
    config: { digest: image.configDigest, size: config.length },
    layers: [
      { mediaType: `${tar}+gzip`, digest: gzip, size: 5 },
      { mediaType: tar, digest: modules, size: 20 },
      { mediaType: tar, digest: code, size: 4 },
    ],
  })
  expect(blob(image.configDigest)).toBe('{"os":"linux"}')
})

test('a saved archive passes less the large blobs that the node has', async () => {
  const large = Buffer.alloc(200_000, 'x')
  const [had, lacked, small] = [sha256('had'), sha256('lacked'), sha256('small')]
  const saved = Buffer.concat([
    ...[had, lacked].map((digest) => tarFile(`blobs/sha256/${digest.slice(7)}`, large)),
    tarFile(`blobs/sha256/${small.slice(7)}`, '{}'),
    tarFile('index.json', '{"manifests":[]}'),
    tarEnd,
  ])
  const read = await unpack(filterSaved(Readable.from([saved]), (digest) => digest === had || digest === small))
  expect(read('').trim().split('\n')).toEqual([`blobs/sha256/${lacked.slice(7)}`, `blobs/sha256/${small.slice(7)}`, 'index.json'])
  expect(read(`blobs/sha256/${lacked.slice(7)}`)).toBe(large.toString())
})

test('a saved archive that breaks off is an error, not a short archive', async () => {
  const broken = tarFile('index.json', Buffer.alloc(5_000)).subarray(0, 2_000)
  await expect(unpack(filterSaved(Readable.from([broken]), () => false))).rejects.toThrow(/end/i)
})

test.each([
  ['postgres:15', 'docker.io/library/postgres:15'],
  ['bitnami/redis', 'docker.io/bitnami/redis:latest'],
  ['shiv.local/shop/orders:1', 'shiv.local/shop/orders:1'],
  ['localhost/x:1', 'localhost/x:1'],
  ['127.0.0.1:5000/x', '127.0.0.1:5000/x:latest'],
])('Kubernetes knows %s as %s', (reference, name) => expect(fullName(reference)).toBe(name))
