import { formatAge } from '../../core/duration.ts'
import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { RunStatus } from '../../wire/messages.ts'
import { renderDependencies } from './dependencies.ts'
import { originOf, paintState, type DatabaseStatus, type ServiceStatus } from './marks.ts'

export interface RunView {
  style: Style
  /** Epoch milliseconds. */
  now: number
  /** Also a line for each replica. */
  wide: boolean
}

/** One run with its heading, services and databases; database URLs as they are given. */
export function renderRun(run: RunStatus, view: RunView): string[] {
  const { style, now } = view
  const facts = [run.runtime, run.environment, paintState(run.state, style), formatAge(now - run.since)]
  const separator = style.dim(style.glyph(' · ', ' | '))
  const heading = `${style.bold(run.workspace.name)}${separator}${facts.join(separator)}${separator}${style.dim(run.workspace.root)}`
  // Of what is stopped only its data is left.
  if (run.state === 'stopped') return [heading]
  return [
    heading,
    ...renderServices(run.services, view),
    ...renderDatabases(run.databases, view),
    ...renderDependencies(run.dependencies, view),
    ...(run.error ? ['', `  ${style.red(run.error.code)}: ${harmless(run.error.message)}`] : []),
  ]
}

/** The table of services, and below it why a replica is not ready. */
export function renderServices(services: ServiceStatus[], view: RunView): string[] {
  if (services.length === 0) return []
  const rows = services.map((service) => [
    service.name,
    readyCell(service, view.style),
    service.url ?? (service.kind === 'worker' ? view.style.dim('worker') : ''),
    service.directUrl ?? '',
    service.debug ? `${service.debug.protocol} ${service.debug.host}:${service.debug.port}` : '',
    restartsOf(service),
  ])
  const table = renderTable([['SERVICE', 'READY', 'URL', 'DIRECT', 'DEBUG', 'RESTARTS'], ...rows], {
    indent: 2,
    header: view.style.dim,
  })
  return [
    '',
    ...table,
    ...renderStale(services, view.style),
    ...renderBehind(services, view.style),
    ...(view.wide ? renderReplicas(services, view) : renderCauses(services, view.style)),
  ]
}

function renderStale(services: ServiceStatus[], style: Style): string[] {
  const stale = services.filter(({ reload }) => reload?.isImageStale)
  return stale.map(({ name }) =>
    style.yellow(`  ${name}: its image is stale, since dependencies were installed in place: the next shiv start builds it`),
  )
}

/** A save that is on its way, or that came to nothing. */
function renderBehind(services: ServiceStatus[], style: Style): string[] {
  const behind = services.filter(({ reload }) => reload?.isCurrent === false)
  return behind.map(({ name }) =>
    style.yellow(`  ${name}: the newest save does not run everywhere: shiv loop ${name} says what became of it`),
  )
}

/** The table of databases. */
export function renderDatabases(databases: DatabaseStatus[], view: RunView): string[] {
  if (databases.length === 0) return []
  const rows = databases.map((database) => [
    database.name,
    `${database.type} ${database.version}`,
    paintState(database.state, view.style) + (database.cause ? `: ${harmless(database.cause)}` : ''),
    database.url,
  ])
  return ['', ...renderTable([['DATABASE', 'TYPE', 'STATE', 'URL'], ...rows], { indent: 2, header: view.style.dim })]
}

function renderReplicas(services: ServiceStatus[], { style, now }: RunView): string[] {
  const rows = services.flatMap((service) =>
    service.replicas.map((replica) => [
      replica.id,
      service.name,
      paintState(replica.state, style),
      String(replica.restarts),
      formatAge(now - replica.since),
      replica.pid === undefined ? '' : String(replica.pid),
      replica.image ?? '',
      harmless(replica.cause ?? ''),
    ]),
  )
  if (rows.length === 0) return []
  const header = ['REPLICA', 'SERVICE', 'STATE', 'RESTARTS', 'AGE', 'PID', 'IMAGE', 'CAUSE']
  return ['', ...renderTable([header, ...rows], { indent: 2, header: style.dim })]
}

function renderCauses(services: ServiceStatus[], style: Style): string[] {
  const troubled = services.flatMap(({ name, replicas }) =>
    replicas.filter(({ cause }) => cause).map((replica) => ({ name, replica })),
  )
  if (troubled.length === 0) return []
  return [
    '',
    ...troubled.map(
      ({ name, replica }) =>
        `  ${originOf(name, replica.id)} ${paintState(replica.state, style)}: ${harmless(replica.cause ?? '')}`,
    ),
  ]
}

function readyCell(service: ServiceStatus, style: Style): string {
  const ready = service.replicas.filter(({ state }) => state === 'ready').length
  const text = `${ready}/${service.desired}`
  return ready >= service.desired ? style.green(text) : style.yellow(text)
}

function restartsOf(service: ServiceStatus): string {
  const restarts = service.replicas.reduce((sum, replica) => sum + replica.restarts, 0)
  return restarts === 0 ? '' : String(restarts)
}
