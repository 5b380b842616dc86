import { formatDuration } from '../../core/duration.ts'
import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { Loop, WireEvent } from '../../wire/messages.ts'
import { doneMark, failedMark } from './marks.ts'

/** One line a loop: `orders  src/price.ts → synced 2 pods, restarted, serving in 61 ms  #17`; below it what went wrong. */
export function describeLoop(loop: Loop, style: Style): { mark: string; text: string } {
  const mark = loop.outcome === 'served' ? doneMark(style) : loop.outcome === 'failed' ? failedMark(style) : style.yellow('!')
  const arrow = style.glyph('→', '->')
  const head = `${style.bold(loop.service)}  ${filesOf(loop)} ${arrow} ${whatHappened(loop)}  ${style.dim(`#${loop.id}`)}`
  const below = [...errorOf(loop, style), ...(loop.remarks ?? []).map((remark) => style.yellow(harmless(remark)))]
  return { mark, text: [head, ...below.map((line) => `    ${line}`)].join('\n') }
}

function errorOf({ error }: Loop, style: Style): string[] {
  if (!error) return []
  return [
    `${style.red(error.code)}: ${harmless(error.message)}`,
    ...(error.evidence ?? []).map((line) => `  ${harmless(line)}`),
    ...(error.hint ? [style.dim(`hint: ${harmless(error.hint)}`)] : []),
  ]
}

const PHASES: Loop['spans'][number]['name'][] = [
  'seen',
  'waited',
  'classified',
  'installed',
  'built',
  'sent',
  'applied',
  'restarted',
  'ready',
  'served',
]

/** `orders  tests passed in 1.2 s`; below it the last lines of a run that failed. */
export function describeTests(event: Extract<WireEvent, { kind: 'tests' }>, style: Style): { mark: string; text: string } {
  const { service, passed, durationMs, lines } = event
  const head = `${style.bold(service)}  tests ${passed ? 'passed' : style.red('failed')} in ${formatDuration(durationMs)}`
  return {
    mark: passed ? doneMark(style) : failedMark(style),
    text: [head, ...lines.map((line) => `      ${harmless(line)}`)].join('\n'),
  }
}

/** A table of loops with the spans of each, longest span emphasised; below it why the newest of a service failed. */
export function renderLoops(loops: Loop[], style: Style): string[] {
  const phases = PHASES.filter((phase) => loops.some(({ spans }) => spans.some(({ name }) => name === phase)))
  const rows = loops.map((loop) => {
    const longest = Math.max(...loop.spans.map(({ ms }) => ms))
    const cells = phases.map((phase) => {
      const span = loop.spans.filter(({ name }) => name === phase).reduce((sum, { ms }) => sum + ms, 0)
      if (!loop.spans.some(({ name }) => name === phase)) return ''
      return span === longest && loop.spans.length > 1 ? style.bold(milliseconds(span)) : milliseconds(span)
    })
    const outcome = loop.outcome === 'failed' ? style.red(loop.error?.code ?? 'failed') : loop.outcome
    return [`#${loop.id}`, loop.service, filesOf(loop), loop.action, milliseconds(loop.durationMs), ...cells, outcome]
  })
  const header = ['LOOP', 'SERVICE', 'FILES', 'DID', 'WHOLE', ...phases.map((phase) => phase.toUpperCase()), 'OUTCOME']
  const newest = new Map(loops.map((loop) => [loop.service, loop]))
  const failed = loops.filter((loop) => loop.outcome === 'failed' && newest.get(loop.service) === loop)
  const causes = failed.flatMap((loop) => [
    '',
    `  #${loop.id} ${loop.service}`,
    ...errorOf(loop, style).map((line) => `    ${line}`),
  ])
  return [...renderTable([header, ...rows], { indent: 2, header: style.dim }), ...causes]
}

function whatHappened(loop: Loop): string {
  const time = formatDuration(loop.durationMs)
  if (loop.outcome === 'kept') return 'nothing that runs was concerned'
  if (loop.outcome === 'failed') return `failed after ${time}`
  if (loop.replicas === 0 && loop.action !== 'plan' && loop.action !== 'image')
    return 'no replica takes it now; those to come start with it'
  const replicas = `${loop.replicas} ${loop.replicas === 1 ? 'replica' : 'replicas'}`
  const hasRestarted = loop.spans.some(({ name }) => name === 'restarted')
  const hasBuilt = loop.spans.some(({ name }) => name === 'built')
  const did: Record<Loop['action'], string> = {
    sync: `synced ${replicas}`,
    build: `built, synced ${replicas}`,
    restart: loop.spans.some(({ name, ms }) => name === 'built' && ms > 1) ? 'built' : '',
    install: `installed, ${hasBuilt ? 'built, ' : ''}synced ${replicas}`,
    image: 'another image',
    plan: 'another plan',
    none: 'nothing',
  }
  const steps = [did[loop.action], ...(hasRestarted ? [`restarted${loop.action === 'restart' ? ` ${replicas}` : ''}`] : [])]
  const late = loop.pending > 0 ? ` (${loop.pending} to follow)` : ''
  return `${[...steps.filter(Boolean), `serving in ${time}`].join(', ')}${late}`
}

function filesOf({ files, fileCount }: Loop): string {
  const [first] = files
  if (first === undefined) return 'what was due'
  return fileCount === 1 ? harmless(first) : `${harmless(first)} and ${fileCount - 1} more`
}

/** Tenths below ten: a loop of a few milliseconds has spans of less. */
function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : formatDuration(ms)
}
