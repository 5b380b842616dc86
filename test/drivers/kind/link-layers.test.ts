import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectEngine } from '../../../src/drivers/docker/engine.ts'
import { findLayerRoot, layerFolders, layerRootOf } from '../../../src/drivers/kind/engine-layers.ts'
import { inspectHostImage, type HostImage } from '../../../src/drivers/kind/host-image.ts'
import { missingChains } from '../../../src/drivers/kind/link-layers.ts'
import { chainIds } from '../../../src/drivers/kind/node-store.ts'
import { stageLayers } from '../../../src/drivers/kind/stage-links.ts'
import { dockerHas } from '../docker/available.ts'

const info = {
  Driver: 'overlay2',
  DriverStatus: [
    ['Native Overlay Diff', 'true'],
    ['userxattr', 'false'],
  ] as [string, string][],
  DockerRootDir: '/var/lib/docker',
  SecurityOptions: ['name=seccomp,profile=default'],
}

describe('layers are linked', () => {
  test('where the engine keeps them as overlay folders that stand for themselves', () => {
    expect(layerRootOf(info)).toBe('/var/lib/docker')
    expect(layerRootOf({ ...info, Driver: 'btrfs' })).toBeUndefined()
    expect(layerRootOf({ ...info, Driver: 'overlayfs', DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']] })).toBe(
      undefined,
    )
    expect(layerRootOf({ ...info, DriverStatus: [['Native Overlay Diff', 'false']] })).toBeUndefined()
    expect(layerRootOf({ ...info, DriverStatus: null })).toBeUndefined()
  })

  test('not where owners or attributes are mapped', () => {
    expect(layerRootOf({ ...info, SecurityOptions: ['name=userns'] })).toBeUndefined()
    expect(layerRootOf({ ...info, SecurityOptions: ['name=rootless', 'name=cgroupns'] })).toBeUndefined()
    expect(
      layerRootOf({
        ...info,
        DriverStatus: [
          ['Native Overlay Diff', 'true'],
          ['userxattr', 'true'],
        ],
      }),
    ).toBeUndefined()
  })

  test('when the engine tells the folder of each, lowest first', () => {
    const driver = { Name: 'overlay2', Data: { UpperDir: '/l/3/diff', LowerDir: '/l/2/diff:/l/1/diff' } }
    expect(layerFolders(driver, 3)).toEqual(['/l/1/diff', '/l/2/diff', '/l/3/diff'])
    expect(layerFolders({ Name: 'overlay2', Data: { UpperDir: '/l/1/diff' } }, 1)).toEqual(['/l/1/diff'])
    expect(layerFolders(driver, 2)).toEqual([])
    expect(layerFolders({ ...driver, Name: 'vfs' }, 3)).toEqual([])
    expect(layerFolders({ Name: 'overlayfs', Data: null }, 1)).toEqual([])
    expect(layerFolders(undefined, 1)).toEqual([])
  })
})

test('a base that images share is made once, and what a node has is not made again', () => {
  const image = (...diffIds: string[]): HostImage =>
    ({ diffIds, folders: diffIds.map((id) => `/layers/${id}`) }) as unknown as HostImage
  const [base, one] = chainIds(['base', 'one']) as [string, string]
  const two = chainIds(['base', 'two'])[1]
  const images = [image('base', 'one'), image('base', 'two')]
  expect(missingChains(images, { snapshots: new Set(), blobs: new Map() })).toEqual([
    { chain: base, parent: '', folder: '/layers/base' },
    { chain: one, parent: base, folder: '/layers/one' },
    { chain: two, parent: base, folder: '/layers/two' },
  ])
  expect(missingChains(images, { snapshots: new Set([base, one]), blobs: new Map() })).toEqual([
    { chain: two, parent: base, folder: '/layers/two' },
  ])
})

const base = 'debian:bookworm-slim'

describe.skipIf(!dockerHas(base))("a real engine's layers", { timeout: 60_000 }, () => {
  const name = `shiv-test-links-${process.pid}`
  const docker = (...args: string[]): string => execFileSync('docker', args, { encoding: 'utf8', stdio: 'pipe' })
  const signal = new AbortController().signal
  const inContainer = (script: string): string => docker('exec', name, 'sh', '-c', script)
  const left = (): string => docker('ps', '-aq', '--filter', `volume=${name}`)

  beforeAll(() => {
    const dockerfile = `FROM ${base}\nRUN mkdir /kept /emptied && echo one > /kept/one && touch /emptied/gone && chown 12:34 /kept && chmod 2750 /kept\nRUN rm /kept/one && rm -r /emptied && mkdir /emptied && echo two > /emptied/two && ln -s two /emptied/link\n`
    execFileSync('docker', ['build', '-q', '-t', name, '-'], { input: dockerfile, stdio: ['pipe', 'pipe', 'pipe'] })
    docker('run', '-d', '--name', name, '--privileged', '-v', `${name}:/var`, base, 'sleep', 'infinity')
  })
  afterAll(() => {
    docker('rm', '-f', name)
    docker('volume', 'rm', name)
    docker('rmi', '-f', name)
  })

  test('lie on the disk of a node by hard links, with what they delete, and stay when the image goes', async ({ skip }) => {
    const engine = await connectEngine(process.env)
    const root = await findLayerRoot(engine)
    if (root === undefined) return skip('this engine keeps its layers in another form')
    const image = (await inspectHostImage(engine, name))!
    const layers = image.folders.map((folder, index) => ({ folder, name: String(index) }))
    const staging = await stageLayers(engine, root, name, layers, { id: 'one', signal })
    docker('rmi', '-f', name)

    expect(Number(inContainer(`find ${staging} -type f | wc -l`))).toBeGreaterThan(100)
    const lower = layers.map(({ name: layer }) => `${staging}/${layer}`).toReversed()
    inContainer(`mkdir -p /run/merged && mount -t overlay overlay -o ro,lowerdir=${lower.join(':')} /run/merged`)
    expect(inContainer('ls /run/merged/kept /run/merged/emptied')).toBe('/run/merged/emptied:\nlink\ntwo\n\n/run/merged/kept:\n')
    expect(inContainer('stat -c "%u:%g %a" /run/merged/kept; readlink /run/merged/emptied/link')).toBe('12:34 2750\ntwo\n')
    expect(inContainer(`find ${staging}/0 -type f -links 1 | wc -l`).trim()).toBe('0')
  })

  test('leave nothing where they cannot be linked', async ({ skip }) => {
    const engine = await connectEngine(process.env)
    const root = await findLayerRoot(engine)
    if (root === undefined) return skip('this engine keeps its layers in another form')
    const gone = [{ folder: `${root}/overlay2/nothing/diff`, name: '0' }]
    await expect(stageLayers(engine, root, name, gone, { id: 'two', signal })).rejects.toThrow('nothing/diff')
    expect(inContainer('ls /var/lib/shiv-layers')).not.toContain('two')
    const outside = [{ folder: '/etc', name: '0' }]
    await expect(stageLayers(engine, root, name, outside, { id: 'three', signal })).rejects.toThrow("not in the engine's folder")
    expect(left().trim().split('\n')).toHaveLength(1)
    expect(docker('ps', '-aq', '--filter', `volume=${root}`).trim()).toBe('')
  })
})
