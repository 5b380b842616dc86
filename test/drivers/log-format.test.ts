import { expect, it } from 'vitest'
import { logFormatOf } from '../../src/drivers/log-format.ts'

const banner = ['Debugger listening on ws://127.0.0.1:9229/0', 'For help, see: https://nodejs.org/en/docs/inspector']

it('goes by the majority of the lines that the service wrote itself', () => {
  expect(logFormatOf([...banner, '{"msg":"ready"}', '{"msg":"request"}'])).toBe('structured')
  expect(logFormatOf(['{"msg":"ready"}', 'Error: oops', '    at main'])).toBe('plain')
})

it('says nothing of a service that wrote nothing', () => {
  expect(logFormatOf([...banner, ''])).toBeUndefined()
})
