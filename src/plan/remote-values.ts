import type { DatabaseField } from '../spec/model.ts'
import type { RemotePlan } from './remote.ts'
import { expandTemplate } from './template.ts'

/** Where a dependency is reached, and as whom. */
export interface RemoteAddress {
  host: string
  port: number
  user?: string
  password?: string
  database?: string
}

/** What services get of a dependency that is reached there, by field; user and password are escaped inside of the URL. */
export function remoteValues(remote: Pick<RemotePlan, 'urlTemplate'>, address: RemoteAddress): Record<DatabaseField, string> {
  const { host, port, user = '', password = '', database = '' } = address
  const inUrl = host.includes(':') ? `[${host}]` : host
  const url = expandTemplate(remote.urlTemplate, {
    host: inUrl,
    port,
    user: encodeURIComponent(user),
    password: encodeURIComponent(password),
    name: encodeURIComponent(database),
  })
  return { url, host, port: String(port), user, password, name: database }
}

/** The name by which pods of a namespace reach a Service. */
export function hostIn(place: { service: string; namespace: string }, namespace: string): string {
  return place.namespace === namespace ? place.service : `${place.service}.${place.namespace}`
}
