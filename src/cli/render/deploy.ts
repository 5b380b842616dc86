import { formatAge, formatDuration } from '../../core/duration.ts'
import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { DeployHistoryResult, DeployResult, DeployStatusResult, Release } from '../../wire/messages.ts'
import { renderChanges } from './deploy-diff.ts'

/** How a deploy or a rollback ended well. */
export function renderDeployed({ service, environment, isChanged, release, durationMs }: DeployResult, style: Style): string[] {
  const what = isChanged
    ? release.kind === 'rollback'
      ? `is back at release ${release.restores} in ${environment}: release ${release.revision}`
      : `is deployed to ${environment}: release ${release.revision}`
    : `is what serves in ${environment}: release ${release.revision}, nothing to change`
  return [
    '',
    `${style.bold(service)} ${what} ${style.dim(`(${formatDuration(durationMs)})`)}`,
    ...renderTable(facts(release, style), { indent: 2 }),
  ]
}

function facts(release: Release, style: Style): string[][] {
  const { image, source, health, unknown, changes } = release
  return [
    ['image', `${image.reference}${image.isPushed ? style.dim(image.isBuilt ? '  built, sent' : '  sent') : ''}`],
    ...(source ? [['commit', commitOf(release)]] : []),
    ...(health ? [['health', proofOf(health)]] : []),
    ...(changes.length > 0 ? [['changed', changes.join(', ')]] : []),
    ...unknown.map((text) => ['unknown', harmless(text)]),
  ]
}

function proofOf({ through, url, answers }: NonNullable<Release['health']>): string {
  if (through === 'rollout') return 'its pods are ready; it listens nowhere'
  const way = through === 'route' ? 'public route' : 'Service, through the API server'
  return `${url} answers (${way}, ${answers} ${answers === 1 ? 'answer' : 'answers'})`
}

function commitOf({ source }: Release): string {
  if (source === undefined) return ''
  return `${source.commit.slice(0, 12)}${source.isDirty ? '+' : ''} ${harmless(source.subject).slice(0, 60)}`
}

/** What serves, and how it is. */
export function renderReleaseStatus(result: DeployStatusResult, style: Style, now: number): string[] {
  const { service, environment, context, namespace, serving, last, deploying, pods, drift } = result
  const heading = `${style.bold(service)} in ${environment}: context ${context}, namespace ${namespace}`
  const rows = pods.map(({ name, state, restarts, since, cause }) => [
    name,
    cause === undefined ? state : `${state}: ${harmless(cause)}`,
    restarts > 0 ? `${restarts} restarts` : '',
    formatAge(now - since),
  ])
  return [
    heading,
    serving === undefined
      ? 'nothing of it was deployed there by shiv'
      : `release ${serving.revision} serves, by ${harmless(serving.by.user)}, ${formatAge(now - (serving.finishedAt ?? serving.startedAt))} ago`,
    ...(serving === undefined ? [] : renderTable(facts(serving, style), { indent: 2 })),
    ...(last === undefined ? [] : [`the last attempt, release ${last.revision}, ${outcomeOf(last, style)}`]),
    ...(deploying === undefined ? [] : [style.yellow(`being deployed by ${harmless(deploying)}`)]),
    ...(rows.length > 0 ? ['', style.bold('Pods'), ...renderTable(rows, { indent: 2 })] : []),
    ...(drift.length > 0 ? ['', style.bold('Changed in the cluster since'), ...renderChanges(drift, style)] : []),
  ]
}

/** Releases, newest first. */
export function renderHistory({ service, environment, releases }: DeployHistoryResult, style: Style, now: number): string[] {
  if (releases.length === 0) return [`nothing of ${service} was deployed to ${environment} by shiv`]
  const header = ['', 'WHEN', 'BY', 'COMMIT', 'IMAGE', 'TOOK', 'OUTCOME']
  const rows = releases.map((release) => [
    String(release.revision),
    formatAge(now - release.startedAt),
    harmless(release.by.user),
    commitOf(release),
    release.image.digest.slice(7, 19),
    release.finishedAt === undefined ? '' : formatDuration(release.finishedAt - release.startedAt),
    outcomeOf(release, style),
  ])
  return renderTable([header, ...rows], { right: [0], header: style.dim })
}

function outcomeOf({ outcome, error, kind, restores, rolledBackTo }: Release, style: Style): string {
  const why = error === undefined ? '' : ` ${style.dim(`${error.code}`)}`
  if (outcome === 'succeeded') return style.green(kind === 'rollback' ? `rollback to ${restores}` : 'succeeded')
  if (outcome === 'running') return style.yellow('running')
  return `${style.red(outcome === 'rolled-back' ? `failed, back to ${rolledBackTo}` : outcome)}${why}`
}
