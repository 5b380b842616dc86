import { chmod, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readInputs, type BuildSource } from '../../../src/drivers/docker/inputs.ts'

let root: string
let context: string
const ids: Record<string, string> = { 'node:20-slim': 'sha256:aa' }

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'shiv-inputs-'))
  context = join(root, 'service')
  await mkdir(join(context, 'src'), { recursive: true })
  await writeFile(join(context, 'src', 'server.js'), 'one')
  await writeFile(join(context, 'package.json'), '{}')
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function tag(changes: Partial<BuildSource> = {}): Promise<string> {
  const source: BuildSource = {
    kind: 'build',
    context,
    dockerfile: { text: 'FROM node:20-slim\nCOPY . .\n' },
    args: {},
    ignore: ['node_modules'],
    ...changes,
  }
  const inputs = await readInputs('orders', source, { home: join(root, 'home'), imageId: async (name) => ids[name] })
  return inputs.tag
}

describe('the tag of an image', () => {
  test('is 12 hex digits and stays the same for the same inputs', async () => {
    expect(await tag()).toMatch(/^[0-9a-f]{12}$/)
    expect(await tag()).toBe(await tag())
  })

  test('follows bytes, names and modes of files, the Dockerfile, arguments and target', async () => {
    const seen = new Set([await tag()])
    const changed = async (value: Promise<string>): Promise<void> => {
      const next = await value
      expect(seen).not.toContain(next)
      seen.add(next)
    }
    await writeFile(join(context, 'src', 'server.js'), 'two')
    await changed(tag())
    await rename(join(context, 'src', 'server.js'), join(context, 'src', 'main.js'))
    await changed(tag())
    await chmod(join(context, 'src', 'main.js'), 0o755)
    await changed(tag())
    await mkdir(join(context, 'empty'))
    await changed(tag())
    await changed(tag({ args: { VERSION: '1' } }))
    await changed(tag({ target: 'app' }))
    await changed(tag({ dockerfile: { text: 'FROM node:20-slim\n' } }))
  })

  test('sees a change that keeps size and modification time', async () => {
    const file = join(context, 'package.json')
    const past = new Date(Date.now() - 60_000)
    await utimes(file, past, past)
    const before = await tag()
    await writeFile(file, '[]')
    await utimes(file, past, past)
    expect(await tag()).not.toBe(before)
  })

  test('does not follow times alone', async () => {
    const before = await tag()
    await utimes(join(context, 'package.json'), new Date(), new Date())
    expect(await tag()).toBe(before)
  })

  test('follows the base image that the engine has', async () => {
    const before = await tag()
    ids['node:20-slim'] = 'sha256:bb'
    expect(await tag()).not.toBe(before)
  })

  test.each([
    ['the preset', [], 'node_modules/a.js'],
    ['.dockerignore', ['.dockerignore:*.log'], 'x.log'],
    ['shiv itself, for secrets', ['.dockerignore:!.env.local'], '.env.local'],
    ['shiv itself, for secrets of a folder', [], 'src/.env.development.local'],
  ])('does not follow what %s keeps out', async (_who, files, path) => {
    for (const file of files) {
      const [name = '', text = ''] = file.split(':')
      await writeFile(join(context, name), text)
    }
    const before = await tag()
    await mkdir(join(context, path, '..'), { recursive: true })
    await writeFile(join(context, path), 'secret')
    expect(await tag()).toBe(before)
  })

  test('follows what .dockerignore takes back in', async () => {
    await writeFile(join(context, '.dockerignore'), 'data\n!data/schema.sql\n')
    await mkdir(join(context, 'data'))
    await writeFile(join(context, 'data', 'dump.sql'), '1')
    const before = await tag()
    await writeFile(join(context, 'data', 'dump.sql'), '2')
    expect(await tag()).toBe(before)
    await writeFile(join(context, 'data', 'schema.sql'), '1')
    expect(await tag()).not.toBe(before)
  })

  test('prefers the ignore file of the Dockerfile itself', async () => {
    await writeFile(join(context, 'prod.Dockerfile'), 'FROM scratch\n')
    await writeFile(join(context, 'prod.Dockerfile.dockerignore'), 'notes\n')
    await writeFile(join(context, '.dockerignore'), 'src\n')
    const before = await tag({ dockerfile: { path: 'prod.Dockerfile' } })
    await writeFile(join(context, 'notes'), 'x')
    expect(await tag({ dockerfile: { path: 'prod.Dockerfile' } })).toBe(before)
    await writeFile(join(context, 'src', 'server.js'), 'x')
    expect(await tag({ dockerfile: { path: 'prod.Dockerfile' } })).not.toBe(before)
  })
})

describe('inputs that are refused', () => {
  test('a link that leaves the context', async () => {
    await symlink('../../etc/passwd', join(context, 'users'))
    await expect(tag()).rejects.toMatchObject({ code: 'BUILD_LINK_OUTSIDE', exit: 2 })
  })

  test('a link within the context is an input', async () => {
    const before = await tag()
    await symlink('src/server.js', join(context, 'start'))
    expect(await tag()).not.toBe(before)
  })

  test('a Dockerfile that is missing', async () => {
    await expect(tag({ dockerfile: { path: 'Dockerfile' } })).rejects.toMatchObject({ code: 'DOCKERFILE_MISSING', exit: 2 })
  })

  test('a context that is missing', async () => {
    await expect(tag({ context: join(root, 'nowhere') })).rejects.toMatchObject({ code: 'BUILD_CONTEXT_MISSING', exit: 2 })
  })
})
