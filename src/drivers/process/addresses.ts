import type { RunContext } from '../../engine/ports.ts'
import type { Plan, ServicePlan } from '../../plan/types.ts'
import { databaseValues, readCredentials, type Credentials } from '../database/credentials.ts'
import { isLiving, recordsInCharge } from './charge.ts'
import type { ChosenPort, PortRegistry } from './port-registry.ts'
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
    dependency: Addresses['dependency']
  },
): Promise<Addresses> {
  const { chosen: inCharge } = recordsInCharge(context.runDir, options.records)
  const living = new Map([...inCharge].filter(([, record]) => isLiving(record)))
  const databaseWants = plan.databases.map(({ name, type }) => wantsOf(`@${name}`, [{ name: type }]))
  const replicaWants = plan.services.map((service) =>
    Array.from({ length: service.replicas.min }, (_, index) =>
      wantsOf(`${service.name}.${index + 1}`, wantedPorts(service, index)),
    ),
  )
  const all = [...databaseWants, ...replicaWants.flat()].flat()
  const held = ({ id, name }: Want): number | undefined => living.get(id)?.ports[name]
  const open = all.filter((want) => held(want) === undefined)
  const chosen = await options.registry.choose(
    open.map(({ id, name, preferred }) => ({ key: `${context.runId}/${id}/${name}`, preferred })),
  )
  const fresh = new Map(open.map((want, index) => [want, chosen[index]?.port]))
  for (const [index, want] of open.entries()) tellMove(want, chosen[index], context)
  const portsOf = (wants: Want[]): Record<string, number> =>
    Object.fromEntries(wants.map((want) => [want.name, held(want) ?? fresh.get(want) ?? 0]))

  const databases = plan.databases.map((database, index) => {
    const credentials = options.credentials[database.name] ?? { user: '', password: '', name: '' }
    const port = portsOf(databaseWants[index] ?? [])[database.type] ?? 0
    return [database.name, databaseValues(database, credentials, port)] as const
  })
  const services = plan.services.map(({ name }, index) => [name, (replicaWants[index] ?? []).map(portsOf)] as const)
  return {
    databases: new Map(databases),
    services: new Map(services),
    serviceUrl: options.serviceUrl,
    dependency: options.dependency,
  }
}

/** A port that a process is to have. */
interface Want {
  id: string
  name: string
  preferred?: number
}

function wantsOf(id: string, ports: Omit<Want, 'id'>[]): Want[] {
  return ports.map((port) => ({ id, ...port }))
}

function tellMove({ id, name }: Want, chosen: ChosenPort | undefined, context: RunContext): void {
  if (chosen?.moved === undefined) return
  const { from, by } = chosen.moved
  const holder = by === undefined ? 'another process' : `${by.command} (pid ${by.pid})`
  const message = `Port ${from} of ${id} ${name} is used by ${holder}; it is ${chosen.port} now.`
  context.emit({ kind: 'warning', code: 'PROCESS_PORT_MOVED', message })
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
export async function addressesOfWorld(
  plan: Plan,
  context: RunContext,
  outside: Pick<Addresses, 'serviceUrl' | 'dependency'>,
): Promise<Addresses> {
  const registry: PortRegistry = { choose: async (wanted) => wanted.map(() => ({ port: 0 })), forget: async () => undefined }
  const credentials = await readCredentials(context.runDir)
  return allocateAddresses(plan, context, {
    registry,
    records: readRecords(context.runDir),
    credentials,
    ...outside,
  })
}
