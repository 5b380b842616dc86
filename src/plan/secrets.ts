import type { Service } from '../spec/model.ts'
import { externalSecret } from './names.ts'
import type { RemotePlan } from './remote.ts'
import type { DatabasePlan, SecretKey, SecretPlan } from './types.ts'

const CREDENTIAL_KEYS = ['url', 'host', 'port', 'user', 'password', 'name']

/** One Secret a database, here or in another environment, and one for each secret that a service refers to. */
export function secretsOf(services: Service[], databases: DatabasePlan[], remotes: RemotePlan[]): SecretPlan[] {
  const keysFor = (wantedBy: string[]): SecretKey[] => CREDENTIAL_KEYS.map((key) => ({ key, variable: '', wantedBy }))
  const credentials = databases.map(({ name, secret, users }): SecretPlan => ({
    name: secret,
    source: { kind: 'credentials', database: name },
    keys: keysFor(users.map((user) => `${user}.databases.${name}`)),
  }))
  const dependencies = remotes.flatMap(({ name, secret, users }): SecretPlan[] => {
    if (secret === undefined) return []
    const keys = keysFor(users.map((user) => `${user}.dependencies.${name}`))
    return [{ name: secret, source: { kind: 'dependency', dependency: name }, keys }]
  })
  return [...credentials, ...dependencies, ...services.flatMap(externalSecrets)]
}

/** Two entries that read the same key are one value; the first of them names the variable that carries it. */
function externalSecrets(service: Service): SecretPlan[] {
  const plans = new Map<string, SecretPlan>()
  for (const [name, source] of Object.entries(service.env)) {
    if (source.kind === 'value') continue
    const secret = externalSecret(service.name, source.secret)
    const plan = plans.get(secret) ?? { name: secret, source: { kind: 'external' }, keys: [] }
    plans.set(secret, plan)
    const known = plan.keys.find((candidate) => candidate.key === source.key)
    if (known) {
      known.wantedBy.push(`${service.name}.env.${name}`)
      continue
    }
    const key: SecretKey = { key: source.key, variable: name, wantedBy: [`${service.name}.env.${name}`] }
    if (source.kind === 'prompt') key.prompt = source.prompt
    if (source.position) key.position = source.position
    plan.keys.push(key)
  }
  return [...plans.values()]
}

/** The variable of the developer's environment that carries a value which a service reads from a secret; undefined where the Plan knows none. */
export function secretVariable(
  plan: { secrets: readonly SecretPlan[] },
  service: { name: string },
  { secret, key }: { secret: string; key: string },
): string | undefined {
  const names = [externalSecret(service.name, secret), secret]
  const found = plan.secrets.find(({ name }) => names.includes(name))
  return found?.keys.find((one) => one.key === key)?.variable
}
