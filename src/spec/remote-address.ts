/** What is wrong with an address as a user wrote it. */
export interface AddressFault {
  code: string
  message: string
  hint: string
}

/** A checked `http://` or `https://` URL without a slash at the end, or what is wrong with it. Credentials and fragments are refused. */
export function readUrl(text: string): { url: string } | AddressFault {
  if (!URL.canParse(text) || !/^https?:\/\/\S+$/i.test(text))
    return badUrl(text, 'write it like https://billing.staging.example.com')
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    return {
      code: 'SPEC_URL_CREDENTIALS',
      message: 'a URL must not hold credentials',
      hint: 'take them out, and say where they come from: auth: { bearer: { env: BILLING_TOKEN } }',
    }
  }
  if (url.search !== '' || url.hash !== '')
    return badUrl(text, 'end it with the path: what comes after ? or # belongs to a request')
  return { url: url.href.replace(/\/$/, '') }
}

/** `host:port` (`[::1]:9000` for IPv6), or what is wrong with it. */
export function readHostPort(text: string): { host: string; port: number } | AddressFault {
  const hint = 'write it like queue.staging.example.com:5672'
  if (text.includes('@')) {
    const message = 'an address must not hold credentials'
    return { code: 'SPEC_URL_CREDENTIALS', message, hint: 'take them out; the service sends its own' }
  }
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || !URL.canParse(`http://${text}`) || port < 1 || port > 65_535) return badUrl(text, hint)
  return { host, port }
}

/** `NAME[.NAMESPACE][:PORT]`: a Service of a cluster; the port by name or number. */
export function readServiceName(text: string): { service: string; namespace?: string; port?: string } | AddressFault {
  const label = '[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?'
  const found = new RegExp(`^(${label})(?:\\.([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?))?(?::(\\d{1,5}|${label}))?$`).exec(text)
  const [, service, namespace, port] = found ?? []
  const isPort = port === undefined || !/^\d/.test(port) || (Number(port) >= 1 && Number(port) <= 65_535)
  if (service !== undefined && isPort) {
    return { service, ...(namespace !== undefined && { namespace }), ...(port !== undefined && { port }) }
  }
  return badUrl(text, 'write it like ledger, ledger.payments or ledger.payments:8080')
}

/** Whether a host is this machine and nothing else. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '')
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
}

function badUrl(text: string, hint: string): AddressFault {
  return { code: 'SPEC_BAD_URL', message: `"${withoutCredentials(text)}" is not an address of the needed form`, hint }
}

/** A message is no place for a password. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//…@').replaceAll(/\s+/g, ' ')
}
