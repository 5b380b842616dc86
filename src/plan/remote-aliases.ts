import type { Model } from '../spec/model.ts'
import type { Remote } from '../spec/remote.ts'

/**
 * The host names of production that a dependency is called by and that no Service can have: that of its https address, and what `hostnames` lists. An
 * address of a machine is no name, and one that several dependencies share can lead to none of them.
 */
export function aliasesOf(remote: Remote, model: Model): string[] {
  const others = model.services.flatMap(({ remotes }) => remotes.filter(({ name }) => name !== remote.name))
  const taken = new Set(others.flatMap(namesOf))
  return namesOf(remote).filter((name) => !taken.has(name))
}

function namesOf({ target, protocol, production, hostnames }: Remote): string[] {
  const url =
    target.kind === 'url' && (protocol === 'http' || protocol === 'grpc') ? new URL(production ?? target.url) : undefined
  const own = url?.protocol === 'https:' && isName(url.hostname) ? [url.hostname] : []
  return [...new Set([...own, ...hostnames])]
}

function isName(host: string): boolean {
  const isAddress = host.startsWith('[') || /^[\d.]+$/.test(host)
  return !isAddress && host !== 'localhost' && !host.endsWith('.localhost')
}
