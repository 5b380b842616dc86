import { expect, test } from 'vitest'
import { baseEnvironment } from '../../src/drivers/process/base-environment.ts'
import { daemonEnvironment } from '../../src/wire/ensure-daemon.ts'

const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()])
const certificates = ['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS', 'REQUESTS_CA_BUNDLE']
const names = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', ...proxies, ...certificates]

test('a daemon keeps all that services inherit, so that stopping one of them does not restart the others', () => {
  const shell = Object.fromEntries(names.map((name) => [name, 'as the developer has it']))
  expect(baseEnvironment(daemonEnvironment(shell), 'service')).toEqual(baseEnvironment(shell, 'service'))
  expect(Object.keys(baseEnvironment(shell, 'service'))).toHaveLength(names.length)
})

test('it keeps no secret', () => {
  expect(daemonEnvironment({ PAYMENT_KEY: 'x', NPM_TOKEN: 'x' })).toEqual({})
})
