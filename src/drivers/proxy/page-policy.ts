/** Whether a page's Content-Security-Policy lets a script of its own origin run and hear events, perhaps by a nonce; else what forbids it. */
export function pagePolicy(header: string | undefined): { nonce: string | undefined } | { forbiddenBy: string } {
  const policies = (header ?? '').split(',').map(parsePolicy)
  const nonces = policies.flatMap((policy) => nonceOf(scriptSources(policy)) ?? [])
  for (const policy of policies) {
    if (policy.get('sandbox')?.includes('allow-scripts') === false) return { forbiddenBy: 'sandbox' }
    const scripts = scriptSources(policy)
    const isNamed = nonces[0] !== undefined && scripts?.includes(`'nonce-${nonces[0]}'`)
    if (!isNamed && !allowsSelf(scripts)) return { forbiddenBy: 'script-src' }
    if (!allowsSelf(policy.get('connect-src') ?? policy.get('default-src'))) return { forbiddenBy: 'connect-src' }
  }
  return { nonce: nonces[0] }
}

function parsePolicy(text: string): Map<string, string[]> {
  const directives = text.split(';').map((directive) => directive.trim().split(/\s+/))
  // Of a directive that stands twice the first counts.
  return new Map(directives.toReversed().map(([name = '', ...sources]) => [name.toLowerCase(), sources]))
}

function scriptSources(policy: Map<string, string[]>): string[] | undefined {
  return policy.get('script-src-elem') ?? policy.get('script-src') ?? policy.get('default-src')
}

function nonceOf(sources: string[] | undefined): string | undefined {
  return sources?.map((source) => /^'nonce-([A-Za-z0-9+/_=-]+)'$/.exec(source)?.[1]).find((nonce) => nonce !== undefined)
}

function allowsSelf(sources: string[] | undefined): boolean {
  if (sources === undefined) return true
  if (sources.includes("'strict-dynamic'")) return false
  return sources.some((source) => ["'self'", '*', 'http:'].includes(source.toLowerCase()))
}
