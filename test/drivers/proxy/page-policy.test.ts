import { expect, test } from 'vitest'
import { pagePolicy } from '../../../src/drivers/proxy/page-policy.ts'

test.each([
  [undefined, { nonce: undefined }],
  ["default-src 'self'", { nonce: undefined }],
  ["img-src 'none'", { nonce: undefined }],
  ["script-src 'nonce-abc' 'strict-dynamic'; connect-src *", { nonce: 'abc' }],
  ["script-src 'nonce-abc', script-src 'self'", { nonce: 'abc' }],
  ["default-src 'none'", { forbiddenBy: 'script-src' }],
  ["script-src 'self' 'strict-dynamic'", { forbiddenBy: 'script-src' }],
  ["script-src 'sha256-x'", { forbiddenBy: 'script-src' }],
  ["script-src-elem 'none'; script-src 'self'", { forbiddenBy: 'script-src' }],
  ["script-src 'self', script-src 'none'", { forbiddenBy: 'script-src' }],
  ["script-src 'none'; script-src 'self'", { forbiddenBy: 'script-src' }],
  ["script-src 'self'; connect-src https://api.example", { forbiddenBy: 'connect-src' }],
  ['sandbox allow-forms', { forbiddenBy: 'sandbox' }],
  ['sandbox allow-scripts', { nonce: undefined }],
])('%s', (header, expected) => {
  expect(pagePolicy(header)).toEqual(expected)
})
