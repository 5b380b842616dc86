/** What a service inherits from the developer's shell; everything else comes from the Plan, as in production. */
const FOR_SERVICES =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|(HTTP|HTTPS|NO|ALL)_PROXY)$/i
/** What package managers and compilers are told besides: registries, caches, mirrors. */
const FOR_TOOLS =
  /^(npm_config_.*|NPM_TOKEN|NODE_AUTH_TOKEN|YARN_.*|PNPM_.*|COREPACK_.*|PIP_.*|UV_.*|POETRY_.*|GO[A-Z]+|CGO_.*|CARGO_.*|XDG_CACHE_HOME|CI)$/i
/** Set by an npm that runs shiv, about shiv's own package. */
const OF_OUTER_NPM = /^npm_config_(prefix|local_prefix|global_prefix|user_agent|init_module|node_gyp|noproxy)$/i

export function baseEnvironment(outer: NodeJS.ProcessEnv, use: 'service' | 'tool'): Record<string, string> {
  const wanted = (name: string) => FOR_SERVICES.test(name) || (use === 'tool' && FOR_TOOLS.test(name) && !OF_OUTER_NPM.test(name))
  return Object.fromEntries(
    Object.entries(outer).filter((entry): entry is [string, string] => entry[1] !== undefined && wanted(entry[0])),
  )
}
