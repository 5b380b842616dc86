import { describeLoop, describeTests } from './loop.ts'
import { formatDuration } from '../../core/duration.ts'
import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import type { WireEvent } from '../../wire/messages.ts'
import { createLogRenderer } from './logs.ts'
import { doneMark, failedMark, originOf, runningMark } from './marks.ts'
import type { Clock, Progress } from './progress.ts'
import { createStepTree, pathOf, runningLeaves, type StepNode } from './step-tree.ts'

/** Silence after which plain progress says what it waits for. */
const QUIET_MS = 10_000

/**
 * Progress as lines that stay: one when a step ends, with the time since the command began in front, and one for what is still
 * running after 10 s without any other.
 */
export function createPlainProgress(write: (line: string) => void, style: Style, clock: Clock): Progress {
  const steps = createStepTree()
  const renderLog = createLogRenderer(style)
  let lastLine = clock.elapsed()
  const print = (mark: string, text: string): void => {
    lastLine = clock.elapsed()
    write(`${style.dim(stamp(lastLine))} ${mark} ${text}`)
  }
  const stopTimer = clock.every(1_000, () => {
    if (clock.elapsed() - lastLine < QUIET_MS) return
    const waiting = runningLeaves(steps.roots).map((node) => describe(node, style))
    if (waiting.length > 0) print(style.dim(style.glyph('…', '.')), waiting.join(', '))
  })
  return {
    event(event) {
      if (event.kind === 'step') {
        const node = steps.apply(event.step)
        if (event.step.state !== 'running')
          print(event.step.state === 'done' ? doneMark(style) : failedMark(style), describe(node, style))
        return
      }
      const line = describeEvent(event, style)
      if (line) print(line.mark, line.text)
      if (event.kind === 'log') write(renderLog(event.line))
    },
    end: stopTimer,
  }
}

/** An event that is no step and no log line, for people who wait; undefined for what only programs want, and for replicas that come and go in order. */
export function describeEvent(event: WireEvent, style: Style): { mark: string; text: string } | undefined {
  switch (event.kind) {
    case 'waiting':
      return {
        mark: runningMark(style),
        text: `waiting for "${harmless(event.behind.command)}" (pid ${event.behind.pid}) to end`,
      }
    case 'warning':
      return {
        mark: style.yellow('!'),
        text: `${lines(event.message)}${event.hint ? style.dim(`  hint: ${harmless(event.hint)}`) : ''}`,
      }
    case 'health': {
      if (event.state !== 'crashed') return undefined
      return { mark: failedMark(style), text: describeHealth(event) }
    }
    case 'loop':
      return describeLoop(event.loop, style)
    case 'tests':
      return describeTests(event, style)
    case 'step':
    case 'log':
    case 'output':
    case 'dependency':
    case 'endpoints':
      return undefined
    default: {
      const unknown: never = event
      return unknown
    }
  }
}

/** `orders/1 crashed: exit code 1`. */
export function describeHealth(event: Extract<WireEvent, { kind: 'health' }>): string {
  return `${originOf(event.service, event.replica)} ${event.state}${event.cause ? `: ${harmless(event.cause)}` : ''}`
}

/** Harmless, and its lines stay lines: the evidence of a crash loop comes below its cause. */
function lines(text: string): string {
  return text.split('\n').map(harmless).join('\n')
}

function describe(node: StepNode, style: Style): string {
  const { state, durationMs, note } = node.latest
  const time = state === 'running' || durationMs === undefined ? '' : ` ${style.dim(formatDuration(durationMs))}`
  return `${pathOf(node).join(style.glyph(' › ', ' > '))}${time}${note ? style.dim(`  ${harmless(note)}`) : ''}`
}

function stamp(elapsedMs: number): string {
  return `${(elapsedMs / 1_000).toFixed(1).padStart(6)} s`
}
