import { expect, test } from 'vitest'
import { contentsOf } from '../../../src/drivers/kubernetes/reload-contents.ts'
import { hashText } from '../../../src/engine/reload/source-tree.ts'

const hash = hashText('x')

test('what a container lists becomes its files by absolute path, with mode, hash and link', () => {
  const text = [
    '644 ./a b.js',
    '4755 ./bin/run',
    '600 ./unread',
    '//',
    `${hash}  ./a b.js`,
    `${hash}  ./bin/run`,
    '//',
    `'./.bin/it's' -> '../a b.js'`,
    '',
  ].join('\n')
  expect([...contentsOf('/app/m', text)]).toEqual([
    ['/app/m/a b.js', { hash, mode: 0o644 }],
    ['/app/m/bin/run', { hash, mode: 0o755 }],
    ['/app/m/unread', { hash: '', mode: 0o600 }],
    ["/app/m/.bin/it's", { hash: hashText('../a b.js'), mode: 0o777, link: '../a b.js' }],
  ])
})

test('nothing that a container lists is outside of the folder that was asked for', () => {
  expect([
    ...contentsOf('/app/m', `644 ./../../etc/passwd\n644 ./a/../../b\n644 ./a//b\n//\n//\n'./../x' -> 'y'`).keys(),
  ]).toEqual([])
})

test('a folder that is not there holds nothing', () => expect(contentsOf('/app/m', '').size).toBe(0))
