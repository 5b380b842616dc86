import { MalformedError } from './head.ts'

/** Path and query of a request target, with the authority that an absolute one carries. Throws MalformedError. */
export function readTarget(method: string, target: string): { target: string; authority?: string } {
  if (target.startsWith('/')) return { target }
  if (target === '*') {
    if (method !== 'OPTIONS') throw new MalformedError('the target * is for OPTIONS only')
    return { target }
  }
  if (method === 'CONNECT') throw new MalformedError('this port leads to one place: CONNECT is not served', 501)
  const absolute = /^https?:\/\/([^/?]+)([/?].*)?$/i.exec(target)
  if (!absolute) throw new MalformedError('the request target is neither a path nor an http URL')
  const [, authority = '', rest = '/'] = absolute
  // Userinfo has no place in a target: two readers could take the host from either side of the @.
  if (authority.includes('@')) throw new MalformedError('the request target has user information')
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority }
}
