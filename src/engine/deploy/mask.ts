import type { ObjectChange } from './ports.ts'

const MASK = '***'
/** Names of variables whose values are nobody's business, though service.yaml has them as text. */
const SECRET_NAME = /pass(word|wd|phrase)?(_|$)|secret|token|api_?key|private_?key|credential|(^|_)dsn(_|$)/i
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@]+@/gi

/** Changes as they may be shown: values of variables that look secret, and passwords in URLs, are taken out. */
export function maskChanges(changes: ObjectChange[]): ObjectChange[] {
  return changes.map((change) => ({
    ...change,
    fields: change.fields.map(({ path, from, to }) => {
      const isSecret = path.split('/').some((step) => SECRET_NAME.test(step))
      return {
        path,
        ...(from !== undefined && { from: masked(from, isSecret) }),
        ...(to !== undefined && { to: masked(to, isSecret) }),
      }
    }),
  }))
}

/** A reference to a Secret is no secret: the names in it stay. */
function masked(value: unknown, isSecret: boolean): unknown {
  if (typeof value === 'string') return isSecret ? MASK : value.replace(URL_PASSWORD, `$1${MASK}@`)
  if (Array.isArray(value)) return value.map((member) => masked(member, isSecret))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      key === 'valueFrom' ? member : masked(member, isSecret || SECRET_NAME.test(key)),
    ]),
  )
}
