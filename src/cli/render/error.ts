import type { ErrorShape } from '../../core/errors.ts'
import type { Style } from '../../core/style.ts'

/** An error for people: what, where in the file, what was seen, what to do. */
export function renderError(error: ErrorShape, style: Style): string[] {
  return [
    `${style.red('error')} ${style.bold(error.message)} ${style.dim(`[${error.code}]`)}`,
    ...(error.evidence ?? []).map((line) => `  ${style.dim(style.glyph('│', '|'))} ${line}`),
    ...(error.hint ? [`  ${style.cyan('hint:')} ${error.hint}`] : []),
    ...(error.stack ? [style.dim(error.stack)] : []),
  ]
}
