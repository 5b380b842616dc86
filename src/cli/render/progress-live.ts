import { stripVTControlCharacters } from 'node:util'
import { formatDuration } from '../../core/duration.ts'
import { truncate, type Style } from '../../core/style.ts'
import type { WireEvent } from '../../wire/messages.ts'
import { doneMark, failedMark, runningMark } from './marks.ts'
import { describeEvent } from './progress-plain.ts'
import type { Clock, Progress } from './progress.ts'
import { createStepTree, type StepNode } from './step-tree.ts'

const FRAME_MS = 50
/** Clocks of running steps move at this pace when nothing else happens. */
const TICK_MS = 200
const TAIL_LINES = 5

export interface Screen {
  write(text: string): void
  columns(): number
  rows(): number
  style: Style
}

/** Progress that redraws in place, at most 20 times a second. What is left on the screen at the end stays: the steps and their times. */
export function createLiveProgress(screen: Screen, clock: Clock): Progress {
  const { style } = screen
  const steps = createStepTree()
  let tail: string[] = []
  let drawn = 0
  let stale = true
  let lastDraw = 0
  let ended = false

  const draw = (lines: string[]): void => {
    const up = drawn > 0 ? `\x1b[${drawn}A\r` : ''
    screen.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[0J`)
    drawn = lines.length
  }
  /** Puts a line above the moving part, where it stays. */
  const say = (line: string): void => {
    draw([line])
    drawn = 0
    stale = true
  }
  const refresh = (): void => {
    const now = clock.elapsed()
    if (!stale && now - lastDraw < TICK_MS) return
    stale = false
    lastDraw = now
    draw(frame(steps.roots, tail, now, screen))
  }
  const stopTimer = clock.every(FRAME_MS, refresh)

  return {
    event(event) {
      if (event.kind === 'step') {
        steps.apply(event.step)
        // What was built is built; its output would only look as if it went on.
        if (event.step.state === 'done') tail = []
      } else if (event.kind === 'output' || event.kind === 'log') tail = keepTail(tail, event)
      else {
        const line = describeEvent(event, style)
        if (line) say(`${line.mark} ${line.text}`)
      }
      stale = true
    },
    end() {
      if (ended) return
      ended = true
      stopTimer()
      draw(frame(steps.roots, [], clock.elapsed(), { ...screen, rows: () => Number.POSITIVE_INFINITY }))
    },
  }
}

/** The lines of one frame: finished steps in one line each, running and failed ones with what is below them, then the tail of output. */
export function frame(roots: StepNode[], tail: string[], now: number, screen: Screen): string[] {
  const { style } = screen
  const width = Math.max(20, screen.columns() - 1)
  const output = tail.map((line) => style.dim(truncate(`    ${line}`, width)))
  const steps = roots.flatMap((node) => stepLines(node, 0, now, width, style))
  const room = Math.max(3, screen.rows() - output.length - 2)
  return [...steps.slice(Math.max(0, steps.length - room)), ...output]
}

function stepLines(node: StepNode, depth: number, now: number, width: number, style: Style): string[] {
  const { state, name, startedMs, durationMs, note } = node.latest
  const mark = state === 'running' ? runningMark(style) : state === 'done' ? doneMark(style) : failedMark(style)
  const time = formatDuration(durationMs ?? Math.max(0, now - startedMs))
  const indent = '  '.repeat(depth)
  const label = truncate(`${name}  ${time}${note ? `  ${note}` : ''}`, width - indent.length - 2, style.glyph('…', '...'))
  const line = `${indent}${mark} ${label.startsWith(name) ? name + style.dim(label.slice(name.length)) : label}`
  if (state === 'done') return [line]
  return [line, ...node.children.flatMap((child) => stepLines(child, depth + 1, now, width, style))]
}

function keepTail(tail: string[], event: Extract<WireEvent, { kind: 'output' | 'log' }>): string[] {
  const text = event.kind === 'output' ? event.text : `${event.line.source}: ${event.line.text}`
  const lines = stripVTControlCharacters(text).split(/[\r\n]+/)
  return [...tail, ...lines.filter((line) => line.trim() !== '').map((line) => line.replaceAll(/\p{Control}/gu, ' '))].slice(
    -TAIL_LINES,
  )
}
