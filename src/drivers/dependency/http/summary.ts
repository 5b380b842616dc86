const MAX = 300
/** A part of a path that is long and has digits among its letters is more likely a token than a name. */
const TOKEN = /(?<=\/)(?=[^/]*\d)(?=[^/]*[A-Za-z])[^/]{24,}/g

/** `GET /invoices?page=…`: a request without the values of its query. */
export function summaryOf(method: string, target: string): string {
  const query = target.indexOf('?')
  const path = (query === -1 ? target : target.slice(0, query)).replaceAll(TOKEN, '…')
  const shown = query === -1 ? path : `${path}?${namesOf(target.slice(query + 1))}`
  const line = `${method} ${shown}`
  return line.length > MAX ? `${line.slice(0, MAX)}…` : line
}

function namesOf(query: string): string {
  return query
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=')
      // A part without a name may be a token itself.
      return equals <= 0 ? '…' : `${pair.slice(0, equals)}=…`
    })
    .join('&')
}
