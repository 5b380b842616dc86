import type { RunContext } from '../../engine/ports.ts'
import type { Plan, ServicePlan } from '../../plan/types.ts'
import type { DatabaseField } from '../../spec/model.ts'
import { databaseValues, readCredentials, type Credentials } from '../database/credentials.ts'
import { isLiving, recordsInCharge } from './charge.ts'
import type { PortRegistry } from './port-registry.ts'
import { readRecords, type ProcessRecord } from './records.ts'
import type { Addresses } from './service-environment.ts'

/** Decides where everything listens: what lives keeps its ports, the rest gets those it had before where they are free. */
export async function allocateAddresses(
  plan: Plan,
  context: RunContext,
  options: {
    registry: PortRegistry
    records: ProcessRecord[]
    credentials: Record<string, Credentials>
    serviceUrl(service: string): string | undefined
  },
): Promise<Addresses> {
  const { chosen } = recordsInCharge(context.runDir, options.records)
  const living = new Map([...chosen].filter(([, record]) => isLiving(record)))
  const portsOf = async (id: string, wanted: { name: string; preferred?: number }[]) => {
    const ports: Record<string, number> = {}
    for (const { name, preferred } of wanted) {
      const held = living.get(id)?.ports[name]
      ports[name] = held ?? (await choose(`${context.runId}/${id}/${name}`, preferred))
    }
    return ports
  }
  const choose = async (key: string, preferred: number | undefined) => {
    const { port, moved } = await options.registry.choose(key, preferred)
    if (moved !== undefined) {
      const by = moved.by === undefined ? 'another process' : `${moved.by.command} (pid ${moved.by.pid})`
      const message = `Port ${moved.from} of ${key.split('/').slice(1).join(' ')} is used by ${by}; it is ${port} now.`
      context.emit({ kind: 'warning', code: 'PROCESS_PORT_MOVED', message })
    }
    return port
  }
  const databases = new Map<string, Record<DatabaseField, string>>()
  for (const database of plan.databases) {
    const ports = await portsOf(`@${database.name}`, [{ name: database.type }])
    const credentials = options.credentials[database.name] ?? { user: '', password: '', name: '' }
    databases.set(database.name, databaseValues(database, credentials, ports[database.type] ?? 0))
  }
  const services = new Map<string, Record<string, number>[]>()
  for (const service of plan.services) {
    const replicas: Record<string, number>[] = []
    for (let index = 0; index < service.replicas.min; index += 1) {
      replicas.push(await portsOf(`${service.name}.${index + 1}`, wantedPorts(service, index)))
    }
    services.set(service.name, replicas)
  }
  return { databases, services, serviceUrl: options.serviceUrl }
}

/** A further port keeps production's number where it can: a service rarely lets it be configured. */
function wantedPorts(service: ServicePlan, replica: number): { name: string; preferred?: number }[] {
  const [first, ...others] = service.ports
  return [
    ...(first === undefined ? [] : [{ name: first.name }]),
    ...others.map(({ name, port }) => (replica === 0 && port >= 1024 ? { name, preferred: port } : { name })),
    ...(service.metrics === undefined ? [] : [{ name: 'metrics' }]),
    ...(service.language.debug === undefined || replica > 0 ? [] : [{ name: 'debug' }]),
  ]
}

/** Where what lives listens, by its records alone; nothing is chosen. */
export async function addressesOfWorld(plan: Plan, context: RunContext, serviceUrl: Addresses['serviceUrl']): Promise<Addresses> {
  const registry: PortRegistry = { choose: async () => ({ port: 0 }), forget: async () => undefined }
  const credentials = await readCredentials(context.runDir)
  return allocateAddresses(plan, context, {
    registry,
    records: readRecords(context.runDir),
    credentials,
    serviceUrl,
  })
}
