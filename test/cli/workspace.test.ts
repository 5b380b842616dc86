import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findWorkspace, resolvePlace } from '../../src/cli/workspace.ts'

let root: string
const at = (...parts: string[]): string => join(root, ...parts)

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-cli-')))
  for (const folder of ['shop/services/api/src', 'shop/orders', 'shop/api', 'lone', 'empty', 'other'])
    mkdirSync(at(folder), { recursive: true })
  writeFileSync(at('shop/shiv.yaml'), 'name: shop\n')
  writeFileSync(at('shop/orders/service.yaml'), '# first\nname: "orders" # ours\n')
  writeFileSync(at('shop/services/api/service.yaml'), 'language: go\nname: api\n')
  writeFileSync(at('lone/service.yaml'), 'name: lone\n')
  writeFileSync(at('other/shiv.yaml'), 'name: other\n')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test('a workspace is the nearest shiv.yaml upward, else a folder with a service.yaml', () => {
  expect(findWorkspace(at('shop/services/api/src'))).toBe(at('shop'))
  expect(findWorkspace(at('lone'))).toBe(at('lone'))
  expect(findWorkspace(at('empty'))).toBeUndefined()
})

test('without words the workspace here is meant, whole', () => {
  expect(resolvePlace([], at('shop/orders'))).toEqual({ path: at('shop/orders'), services: [] })
})

test('folders and files of services, from outside', () => {
  expect(resolvePlace(['shop/orders'], root)).toEqual({ path: at('shop/orders'), services: ['orders'] })
  expect(resolvePlace(['shop/orders/service.yaml', 'shop/services/api'], root)).toEqual({
    path: at('shop'),
    services: ['orders', 'api'],
  })
  expect(resolvePlace(['lone'], root)).toEqual({ path: at('lone'), services: ['lone'] })
})

test('the folder of a workspace means all of it, also beside one of its services', () => {
  expect(resolvePlace(['shop'], root)).toEqual({ path: at('shop'), services: [] })
  expect(resolvePlace(['shop/orders', 'shop'], root)).toEqual({ path: at('shop'), services: [] })
})

test('a word that is a folder without a definition is the service of that name', () => {
  expect(resolvePlace(['api'], at('shop'))).toEqual({ path: at('shop'), services: ['api'] })
})

test('a file that cannot be read as a service leads to the whole workspace, whose faults are then told', () => {
  writeFileSync(at('shop/orders/service.yaml'), 'nmae: orders\n')
  expect(resolvePlace(['shop/orders'], root)).toEqual({ path: at('shop/orders'), services: [] })
})

test.each([
  ['ordrs', 'empty', 'CLI_UNKNOWN_TARGET', /neither a folder nor a service/],
  ['./ordrs', 'shop', 'CLI_UNKNOWN_TARGET', /There is no folder/],
  ['../empty', 'shop', 'CLI_UNKNOWN_TARGET', /no service.yaml, no shiv.yaml/],
])('%s in %s is refused', (word, folder, code, message) => {
  expect(() => resolvePlace([word], at(folder))).toThrow(
    expect.objectContaining({ code, exit: 2, message: expect.stringMatching(message) as string }),
  )
})

test('two workspaces at once are refused', () => {
  expect(() => resolvePlace(['shop', 'other'], root)).toThrow(expect.objectContaining({ code: 'CLI_TWO_WORKSPACES', exit: 2 }))
})
