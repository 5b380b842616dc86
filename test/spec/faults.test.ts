import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DEPENDENCY_CASES } from './dependency-cases.ts'
import { CASES } from './fault-cases.ts'
import { errorOf, folderWith, placesOf, rendered } from './support.ts'

const golden = (title: string, kind = 'txt') => `../golden/errors/${title.toLowerCase().replace(/\W+/g, '-')}.${kind}`

describe('each bad input has its code, its place and a rendering with a hint', () => {
  for (const { title, files, faults, environment } of [...CASES, ...DEPENDENCY_CASES]) {
    it(title, async () => {
      const root = folderWith(typeof files === 'string' ? { 'service.yaml': files } : files)
      const error = await errorOf(root, environment)
      expect(placesOf(error.faults, root)).toEqual(faults)
      for (const fault of error.faults) expect(fault.hint, fault.message).toBeTruthy()
      await expect(rendered(error, root)).toMatchFileSnapshot(golden(title))
    })
  }
})

it('is coloured on request', async () => {
  const root = folderWith({ 'service.yaml': 'name: orders\nlanguage: node\nscalling: {}\n' })
  const text = rendered(await errorOf(root), root, true)
  expect(text).toContain('\u001B[')
  await expect(text).toMatchFileSnapshot(golden('unknown field', 'ansi'))
})

it('shows a cycle with its way round', async () => {
  const service = (name: string, needs: string) => `name: ${name}\nlanguage: node\ndependencies: [${needs}]\n`
  const root = folderWith({
    'shiv.yaml': 'name: shop\n',
    'a/service.yaml': service('a', 'b'),
    'b/service.yaml': service('b', 'c'),
    'c/service.yaml': service('c', 'b'),
  })
  const { faults } = await errorOf(root)
  expect(faults.map((fault) => fault.message)).toEqual(['services depend on each other in a circle: b -> c -> b'])
})

it('refuses what leaves the workspace through a symlink', async () => {
  const outside = folderWith({ Dockerfile: 'FROM scratch\n', 'service.yaml': 'name: evil\nlanguage: node\n' })
  const root = folderWith({
    'shiv.yaml': 'name: shop\nservices: [orders, linked]\n',
    'orders/service.yaml': 'name: orders\nlanguage: node\nbuild: { dockerfile: Dockerfile, context: up }\n',
  })
  symlinkSync(join(outside, 'Dockerfile'), join(root, 'orders', 'Dockerfile'))
  symlinkSync(outside, join(root, 'orders', 'up'))
  symlinkSync(outside, join(root, 'linked'))
  const { faults } = await errorOf(root)
  expect(placesOf(faults, root)).toEqual([
    'SPEC_OUTSIDE_WORKSPACE orders/service.yaml:3:22',
    'SPEC_OUTSIDE_WORKSPACE orders/service.yaml:3:43',
    'SPEC_OUTSIDE_WORKSPACE shiv.yaml:2:20',
  ])
})

it('refuses a service.yaml that is a symlink to the outside', async () => {
  const outside = folderWith({ 'service.yaml': 'name: evil\nlanguage: node\n' })
  const root = folderWith({ 'shiv.yaml': 'name: shop\nservices: [orders, "b*"]\n', 'orders/x': '', 'bill/x': '' })
  symlinkSync(join(outside, 'service.yaml'), join(root, 'orders', 'service.yaml'))
  symlinkSync(join(outside, 'service.yaml'), join(root, 'bill', 'service.yaml'))
  const { faults } = await errorOf(root)
  expect(placesOf(faults, root)).toEqual([
    'SPEC_OUTSIDE_WORKSPACE bill/service.yaml:1:1',
    'SPEC_OUTSIDE_WORKSPACE orders/service.yaml:1:1',
  ])
})

it('names a path that does not exist and a file of another name', async () => {
  const root = folderWith({ 'other.yaml': 'name: x\n' })
  expect((await errorOf(join(root, 'nowhere'))).faults.map(({ code }) => code)).toEqual(['SPEC_SERVICE_NOT_FOUND'])
  expect((await errorOf(join(root, 'other.yaml'))).faults.map(({ code }) => code)).toEqual(['SPEC_SERVICE_NOT_FOUND'])
})

it('tells when the named folder is not among the services of its workspace', async () => {
  const service = (name: string) => `name: ${name}\nlanguage: node\n`
  const root = folderWith({
    'shiv.yaml': 'name: shop\nservices: [a]\n',
    'a/service.yaml': service('a'),
    'b/service.yaml': service('b'),
  })
  expect(placesOf((await errorOf(join(root, 'b'))).faults, root)).toEqual(['SPEC_NOT_IN_WORKSPACE shiv.yaml:2:11'])
})

it('brings the faults of all files in one run, and no more than a hundred', async () => {
  const root = folderWith({
    'shiv.yaml': 'name: Shop\nservices: [a, b]\n',
    'a/service.yaml': 'name: a\nlanguage: nod\n',
    'b/service.yaml': 'name: b\nlanguage: node\nport: 0\n',
  })
  expect(placesOf((await errorOf(root)).faults, root)).toEqual([
    'SPEC_UNKNOWN_LANGUAGE a/service.yaml:2:11',
    'SPEC_BAD_PORT b/service.yaml:3:7',
    'SPEC_BAD_NAME shiv.yaml:1:7',
  ])
  const many = Array.from({ length: 500 }, (_, index) => `x${index}: 1\n`).join('')
  const { faults } = await errorOf(folderWith({ 'service.yaml': `name: a\nlanguage: node\n${many}` }))
  expect(faults).toHaveLength(101)
  expect(faults.at(-1)!.message).toBe('and more faults')
})
