import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { ShivError } from '../../core/errors.ts'

/** What Docker's engine takes as `X-Registry-Auth`. */
export interface RegistryAuth {
  username?: string
  password?: string
  identitytoken?: string
  serveraddress?: string
}

interface DockerConfig {
  auths?: Record<string, { auth?: string; identitytoken?: string }>
  credsStore?: string
  credHelpers?: Record<string, string>
}

const HUB = 'https://index.docker.io/v1/'
/** A helper that waits for a person would wait for ever. */
const HELPER_MS = 30_000

/** The registry that a reference is in: `localhost:5000/shop/orders:1` → `localhost:5000`; `docker.io` where it names none. */
export function registryOf(reference: string): string {
  const [first = ''] = reference.split('/')
  return reference.includes('/') && (/[.:]/.test(first) || first === 'localhost') ? first : 'docker.io'
}

/**
 * The user's own docker credentials for a registry, found as docker finds them: a helper of the registry, else the store, else the
 * config file. Empty where there are none. Throws REGISTRY_CREDENTIALS where a helper cannot be asked. Nothing of them is logged.
 */
export async function credentialsFor(registry: string, environment: NodeJS.ProcessEnv): Promise<RegistryAuth> {
  const config = await readConfig(environment)
  const key = registry === 'docker.io' ? HUB : registry
  const helper = config.credHelpers?.[registry] ?? config.credHelpers?.[key] ?? config.credsStore
  const asked = helper === undefined ? undefined : await askHelper(helper, key, environment)
  return asked ?? written(config, key)
}

function written({ auths = {} }: DockerConfig, key: string): RegistryAuth {
  // Old files name a registry with its scheme and path.
  const bare = (name: string): string => name.replace(/^https?:\/\//, '').replace(/\/.*$/, '')
  const entry = auths[key] ?? Object.entries(auths).find(([name]) => key !== HUB && bare(name) === key)?.[1]
  if (entry?.identitytoken) return { identitytoken: entry.identitytoken, serveraddress: key }
  const [username = '', ...password] = Buffer.from(entry?.auth ?? '', 'base64')
    .toString('utf8')
    .split(':')
  return username === '' ? {} : { username, password: password.join(':'), serveraddress: key }
}

async function askHelper(name: string, registry: string, environment: NodeJS.ProcessEnv): Promise<RegistryAuth | undefined> {
  const program = `docker-credential-${name}`
  const result = await execa(program, ['get'], {
    input: registry,
    env: environment,
    extendEnv: false,
    reject: false,
    timeout: HELPER_MS,
    forceKillAfterDelay: 1_000,
  })
  if (result.exitCode === 0) {
    const { Username = '', Secret = '' } = parse(result.stdout) as { Username?: string; Secret?: string }
    // `<token>` is how a helper says that the secret is no password.
    if (Username === '<token>') return { identitytoken: Secret, serveraddress: registry }
    return { username: Username, password: Secret, serveraddress: registry }
  }
  if (/credentials not found/i.test(result.stdout + result.stderr)) return undefined
  throw new ShivError(`The credentials of ${registry} could not be had from ${program}.`, {
    code: 'REGISTRY_CREDENTIALS',
    exit: 3,
    hint: `docker login ${registry}`,
    cause: result.cause,
  })
}

async function readConfig(environment: NodeJS.ProcessEnv): Promise<DockerConfig> {
  const folder = environment['DOCKER_CONFIG'] || join(environment['HOME'] || homedir(), '.docker')
  const file = join(folder, 'config.json')
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{}'
    throw error
  })
  const config = parse(text)
  if (typeof config === 'object' && config !== null) return config as DockerConfig
  throw new ShivError(`Docker's own configuration ${file} is not JSON.`, {
    code: 'REGISTRY_CREDENTIALS',
    exit: 3,
    hint: `mend it, or log in anew: mv ${file} ${file}.old && docker login`,
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // told by the caller, without the text: it may hold a credential
  }
}
