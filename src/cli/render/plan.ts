import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { Plan } from '../../wire/messages.ts'

/** A Plan for people: what it builds, runs and replaces. */
export function renderPlan(plan: Plan, style: Style): string[] {
  const heading = `${style.bold(plan.workspace.name)}: ${plan.environment} on ${plan.runtime}, namespace ${plan.namespace}`
  return [
    heading,
    ...section('Images', plan.images.map(imageRow), style),
    ...section(
      'Databases',
      plan.databases.map((database) => [
        database.name,
        `${database.type} ${database.version}`,
        database.storage,
        `for ${database.users.join(', ')}`,
      ]),
      style,
    ),
    ...section('Dependencies', plan.remotes.map(remoteRow), style),
    ...section('Exceptions', exceptionsOf(plan, style), style),
    ...section('Services', plan.services.map(serviceRow), style),
    ...section(
      'Secrets',
      plan.secrets.map((secret) => [secret.name, secretOrigin(secret), secret.keys.map(({ key }) => key).join(', ')]),
      style,
    ),
    ...section('Objects', countKinds(plan), style),
    ...section(
      'Substitutions',
      plan.substitutions.map((one) => [
        one.what,
        `${one.production}${style.glyph(' → ', ' -> ')}${one.local}`,
        style.dim(one.why),
      ]),
      style,
    ),
    ...section(
      'Patches',
      plan.patches.map((patch) => [patch.service, `${patch.target} ${patch.path}`, style.dim(patch.why)]),
      style,
    ),
  ]
}

function section(title: string, rows: string[][], style: Style): string[] {
  return rows.length === 0 ? [] : ['', style.bold(title), ...renderTable(rows, { indent: 2 })]
}

function imageRow({ service, repository, source }: Plan['images'][number]): string[] {
  if (source.kind === 'reference') return [service, source.image, 'as it is']
  return [service, repository, `built from ${source.context}`]
}

function serviceRow(service: Plan['services'][number]): string[] {
  const { min, max, cpuTarget } = service.replicas
  const replicas = min === max ? `${min} replica${min === 1 ? '' : 's'}` : `${min} to ${max} replicas`
  return [
    service.name,
    service.language.name,
    service.kind === 'worker' ? 'worker' : service.ports.map(({ name, port }) => `${name} ${port}`).join(', '),
    cpuTarget === undefined ? replicas : `${replicas} at ${cpuTarget}% CPU`,
    service.dependencies.length > 0 ? `after ${service.dependencies.join(', ')}` : '',
  ]
}

function remoteRow({ name, protocol, mode, access, users }: Plan['remotes'][number]): string[] {
  return [name, protocol, mode, access.level === 'read_only' ? 'read-only' : 'read and write', `for ${users.join(', ')}`]
}

/** What may be done beyond reading staging, each with the reason that was written. */
function exceptionsOf({ remotes, remoteEnvironments }: Plan, style: Style): string[][] {
  const used = new Set(remotes.map(({ target }) => target.environment))
  return [
    ...remotes.flatMap(({ name, access }) =>
      access.allow.map(({ method, path, why }) => [name, [method, path].filter(Boolean).join(' '), style.dim(why)]),
    ),
    ...remoteEnvironments.flatMap(({ name, allowProduction }) =>
      allowProduction !== undefined && used.has(name) ? [[name, 'production is read', style.dim(allowProduction.why)]] : [],
    ),
  ]
}

function secretOrigin({ source }: Plan['secrets'][number]): string {
  if (source.kind === 'dependency') return `the proxy’s own, for ${source.dependency}`
  return source.kind === 'credentials' ? `made for ${source.database}` : 'from your environment'
}

function countKinds({ objects }: Plan): string[][] {
  const names = new Map<string, string[]>()
  for (const { kind, metadata } of objects) names.set(kind, [...(names.get(kind) ?? []), metadata.name])
  return [...names].map(([kind, all]) => [kind, all.join(', ')])
}
