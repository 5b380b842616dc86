import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import type { DryRunResult, ObjectChange } from '../../wire/messages.ts'

/** What a deploy would do, object by object and field by field. */
export function renderDryRun(result: DryRunResult, style: Style): string[] {
  const { service, environment, context, namespace, server, image, changes, by, obstacles } = result
  const work = image.wouldBuild ? 'to be built and sent' : image.wouldPush ? 'to be sent' : 'in the registry'
  return [
    `${style.bold(service)} to ${environment}: context ${context}, namespace ${namespace}, ${server}`,
    `image ${image.reference} ${style.dim(`(${work})`)}`,
    ...renderChanges(changes, style),
    ...(changes.length === 0 ? ['nothing differs'] : []),
    ...(by === 'estimate'
      ? [style.dim('you may not ask the cluster for a dry run: defaults that it fills in may show as changes')]
      : []),
    ...obstacles.map((text) => `${style.red(style.glyph('✗', 'x'))} ${harmless(text)}`),
  ]
}

const MARKS = { add: '+', change: '~', replace: '±', remove: '-' }

/** One line an object, one a field below it. */
export function renderChanges(changes: ObjectChange[], style: Style): string[] {
  const paint = { add: style.green, change: style.yellow, replace: style.yellow, remove: style.red }
  return changes.flatMap(({ name, action, fields }) => [
    `${paint[action](style.glyph(MARKS[action], action === 'replace' ? '~' : MARKS[action]))} ${name}${action === 'replace' ? style.dim(' (made anew)') : ''}`,
    ...fields.map(({ path, from, to }) => `    ${fieldName(path)}: ${describe(from, to, style)}`),
  ])
}

/** `/spec/template/spec/containers/orders/image` as people write it. */
function fieldName(path: string): string {
  const steps = path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return harmless(steps.map((step) => (/[./]/.test(step) ? `[${step}]` : step)).join('.'))
}

function describe(from: unknown, to: unknown, style: Style): string {
  if (from === undefined) return style.green(text(to))
  if (to === undefined) return `${style.red(text(from))} ${style.dim('removed')}`
  return `${style.red(text(from))}${style.glyph(' → ', ' -> ')}${style.green(text(to))}`
}

function text(value: unknown): string {
  const whole = typeof value === 'string' ? value : JSON.stringify(value)
  const plain = harmless(whole)
  return plain.length > 200 ? `${plain.slice(0, 197)}...` : plain
}
