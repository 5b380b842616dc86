import type { Service } from '../spec/model.ts'
import { externalSecret } from './names.ts'
import type { DatabasePlan, SecretKey, SecretPlan } from './types.ts'

const CREDENTIAL_KEYS = ['url', 'host', 'port', 'user', 'password', 'name']

/** One Secret a database, and one for each secret that a service refers to. */
export function secretsOf(services: Service[], databases: DatabasePlan[]): SecretPlan[] {
  const credentials = databases.map((database): SecretPlan => ({
    name: database.secret,
    source: { kind: 'credentials', database: database.name },
    keys: CREDENTIAL_KEYS.map((key) => ({
      key,
      variable: '',
      wantedBy: database.users.map((user) => `${user}.databases.${database.name}`),
    })),
  }))
  return [...credentials, ...services.flatMap(externalSecrets)]
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
